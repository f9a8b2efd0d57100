"""A manager of user services, systemd's own, on a machine that systemd has not started.

It sees a /run of its own, so nothing outside knows of it. Only root on Linux can have one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import wait_until

_PROGRAM = "/lib/systemd/systemd"
_BEGIN = f"""
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR" || exit 1
chmod 700 "$XDG_RUNTIME_DIR"
exec {_PROGRAM} --user --log-target=console --log-level=warning
"""


def can_run() -> bool:
    """Whether there can be one here."""
    if sys.platform != "linux" or os.geteuid() != 0 or not Path(_PROGRAM).exists():
        return False
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        return False
    tried = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run"]
    return subprocess.run(tried, capture_output=True).returncode == 0


@dataclass(frozen=True, slots=True)
class UserSystemd:
    """Commands run where its services are."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        within = ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", "--"]
        return subprocess.run(
            [*within, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )


@contextmanager
def user_systemd(environment: dict[str, str], log: Path) -> Iterator[UserSystemd]:
    """One that is ready; all that it has started ends with it."""
    ours = environment | {"XDG_RUNTIME_DIR": "/run/user/0"}
    ours.pop("DBUS_SESSION_BUS_ADDRESS", None)
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _BEGIN],
            env=ours,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    manager = UserSystemd(process, ours)
    try:
        ready = ("systemctl", "--user", "show-environment")
        wait_until(lambda: manager.run(*ready).returncode == 0, what="systemd")
        yield manager
    finally:
        process.terminate()
        process.wait()
        print(f"--- {log}\n{log.read_text(errors='replace')}")
