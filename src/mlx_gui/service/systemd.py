"""The service as a user unit of systemd."""

import configparser
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from mlx_gui.service.commands import ask, ask_well, is_there
from mlx_gui.service.description import Description
from mlx_gui.service.errors import ServiceError
from mlx_gui.service.system import MARK, Activity, Installed

UNIT = "mlx-gui.service"
_OURS = "X-mlx-gui"
"""systemd reads over sections that begin so."""
_GROWING_DELAY_SINCE = 254
_NOT_IN_PROGRAMS = "\"'\\"
_WRONG_SETTINGS = 2
"""Exit code of a start that no repetition mends."""


def unit_text(description: Description, *, systemd_version: int) -> str:
    """The unit. Older versions of systemd know one delay before a restart, newer a growing one."""
    return "\n".join(_lines(description, systemd_version)) + "\n"


def _lines(description: Description, systemd_version: int) -> Iterator[str]:
    yield f"# {MARK}"
    yield "[Unit]"
    yield "Description=mlx-gui, a private AI server"
    yield "StartLimitIntervalSec=0"
    yield "\n[Service]"
    yield "Type=exec"
    # The colon: nothing in it stands for a variable.
    yield f"ExecStart=:{' '.join(map(_quoted, description.program))}"
    for name, text in description.environment.items():
        yield f"Environment={_quoted(f'{name}={text}')}"
    yield "WorkingDirectory=~"
    yield "Restart=on-failure"
    yield f"RestartPreventExitStatus={_WRONG_SETTINGS}"
    if systemd_version >= _GROWING_DELAY_SINCE:
        yield "RestartSec=1\nRestartSteps=6\nRestartMaxDelaySec=60"
    else:
        yield "RestartSec=5"
    # Workers are ended by the server, which lets them finish; only what is left then is killed.
    yield "KillMode=mixed"
    yield f"TimeoutStopSec={description.stop_timeout_s}"
    # A worker that the kernel ends for memory is replaced; the server need not go with it.
    yield "OOMPolicy=continue"
    yield "\n[Install]"
    yield "WantedBy=default.target"
    yield f"\n[{_OURS}]"
    yield f"Program={description.program[0]}"
    yield f"DataDir={description.data_dir}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


class Systemd:
    """The manager of this user's services, asked by `systemctl --user`."""

    name: Literal["systemd"] = "systemd"

    def __init__(self, home: Path) -> None:
        folder = os.environ.get("XDG_CONFIG_HOME") or home / ".config"
        self.file = Path(folder) / "systemd" / "user" / UNIT

    @property
    def before_login(self) -> str:
        return "`loginctl enable-linger` starts it with the machine, before you log in."

    def render(self, description: Description) -> bytes:
        program = description.program[0]
        if any(letter in program for letter in _NOT_IN_PROGRAMS):
            raise ServiceError(
                f"systemd starts no program whose path has quotes or backslashes: {program}",
                hint="Install mlx-gui at another place.",
            )
        return unit_text(description, systemd_version=_version()).encode()

    def read(self, content: bytes) -> Installed:
        text = content.decode(errors="replace")
        parser = configparser.ConfigParser(
            interpolation=None, strict=False, delimiters="=", allow_no_value=True
        )
        try:
            parser.read_string(text)
        except configparser.Error:
            return Installed("", "", ours=False)
        program = parser.get(_OURS, "Program", fallback="")
        data_dir = parser.get(_OURS, "DataDir", fallback="")
        return Installed(program, data_dir, ours=MARK in text)

    def check(self) -> None:
        if not is_there("systemctl"):
            raise ServiceError(
                "There is no systemd on this machine: systemctl is not on the PATH.",
                hint="Start the server with `mlx-gui start` from what starts your programs.",
            )
        answer = ask("systemctl", "--user", "show-environment")
        if answer.code != 0:
            reason = answer.complaint.rstrip(".") or f"systemctl ended with code {answer.code}"
            raise ServiceError(
                f"systemd runs no services for this user now: {reason}.",
                hint="Log in as this user, not by su or sudo, or: loginctl enable-linger USER",
            )

    def register(self) -> None:
        ask_well("systemctl", "--user", "daemon-reload")
        ask_well("systemctl", "--user", "enable", "--now", UNIT)

    def unregister(self) -> None:
        ask_well("systemctl", "--user", "disable", "--now", UNIT)

    def clean(self) -> None:
        ask("systemctl", "--user", "daemon-reload")
        # It fails where there is nothing to forget.
        ask("systemctl", "--user", "reset-failed", UNIT)

    def activity(self) -> Activity:
        asked = ("ActiveState", "MainPID", "NRestarts", "UnitFileState", "Result", "ExecMainStatus")
        shown = ask_well("systemctl", "--user", "show", UNIT, f"--property={','.join(asked)}").said
        pairs = (line.partition("=") for line in shown.splitlines())
        facts = {name: text for name, _, text in pairs}
        state, result = facts.get("ActiveState", ""), facts.get("Result", "success")
        trouble = ""
        if result not in ("success", "") and state != "active":
            code = facts.get("ExecMainStatus", "")
            trouble = f"It ended: {result}{f', code {code}' if code else ''}."
        return Activity(
            running=state in ("active", "reloading", "deactivating"),
            pid=_number(facts.get("MainPID")) or None,
            at_login=facts.get("UnitFileState") == "enabled",
            restarts=_number(facts.get("NRestarts")),
            trouble=trouble,
        )

    def start(self) -> None:
        ask_well("systemctl", "--user", "start", UNIT)

    def stop(self) -> None:
        ask_well("systemctl", "--user", "stop", UNIT, deadline_s=_END_DEADLINE_S)

    def restart(self) -> None:
        ask_well("systemctl", "--user", "restart", UNIT, deadline_s=_END_DEADLINE_S)

    def log_command(self, data_dir: Path, *, lines: int, follow: bool) -> list[str]:
        if not is_there("journalctl"):
            raise ServiceError("journalctl is not on the PATH.", hint="Ask: mlx-gui logs")
        shown = ["journalctl", "--user-unit", UNIT, "--lines", str(lines), "--output", "cat"]
        return [*shown, "--follow"] if follow else [*shown, "--no-pager"]


_END_DEADLINE_S = 4000
"""Beyond the longest grace that a setting allows; systemd itself has a shorter one."""


def _version() -> int:
    """0 where it does not say."""
    found = re.match(r"systemd (\d+)", ask("systemctl", "--version").said)
    return int(found[1]) if found else 0


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
