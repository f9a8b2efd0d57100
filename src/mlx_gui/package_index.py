"""Which version of mlx-gui a package index has, asked by pip, which knows where that index is.

Nothing is downloaded or installed. What an index answers is a stranger's: pip reads it in a process
of its own, bounded in time and memory, and of what pip says only versions are believed.
"""

import importlib.util
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from packaging.version import InvalidVersion, Version

from mlx_gui.core.errors import FetchFailed
from mlx_gui.core.program import is_standalone

PACKAGE = "mlx-gui"
DEADLINE_S = 60.0
MOST_MEMORY_BYTES = 1 << 29
_MOST_SAID_BYTES = 1 << 22
_PIP_WAITS_S = 10
_LOOK_S = 0.05
_SPARE_S = 5
_SPARE_BYTES = 1 << 28
_BOUNDED_PIP = """\
import resource, runpy, signal, sys
seconds, most_bytes = map(int, sys.argv[1:3])
signal.alarm(seconds)
if sys.platform == "linux":
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
del sys.argv[1:3]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
"""pip within bounds that the system holds it to when whoever asks was killed and watches no more.
They are wider than those that are watched, which can be told of in words."""
_LONGEST_REASON = 300
_LONGEST_VERSION = 64
_TOLD = re.compile(r"^Available versions: (.+)$", re.MULTILINE)
_UNREACHED = re.compile(
    r"after connection broken by '(.+)'|^\s*Could not fetch URL \S+: (.+)$", re.M
)
_HINT = "Check the network and pip's settings (index, proxy): `pip config list` shows them."


def newest_version(
    *,
    deadline_s: float = DEADLINE_S,
    most_memory_bytes: int = MOST_MEMORY_BYTES,
    given_up: Callable[[], bool] = lambda: False,
) -> Version:
    """The newest release for this machine; yanked ones and those before a release do not count.

    Raises FetchFailed, with what was wrong in one sentence; also soon after it is `given_up`.
    """
    if is_standalone() or importlib.util.find_spec("pip") is None:
        raise FetchFailed(
            "A package index is asked by pip, which is not here.",
            hint="Look where this mlx-gui came from.",
        )
    with tempfile.TemporaryDirectory(prefix="mlx-gui-update-") as folder:
        watch = _Watch(time.monotonic() + deadline_s, most_memory_bytes, given_up)
        code, said = _ask(Path(folder), watch)
    if code != 0:
        raise _failure(said)
    versions = [version for version in map(read_version, _told(said)) if version is not None]
    released = [version for version in versions if not version.is_prerelease]
    if not released:
        raise FetchFailed(f"The package index told no version of {PACKAGE}.", hint=_HINT)
    return max(released)


@dataclass(frozen=True, slots=True)
class _Watch:
    """The bounds of one pip. `ends_at_s` is of the monotonic clock."""

    ends_at_s: float
    most_memory_bytes: int
    given_up: Callable[[], bool]


def _ask(folder: Path, watch: _Watch) -> tuple[int, str]:
    """pip's exit code, and all that it said; `folder` is for its files."""
    seconds = math.ceil(watch.ends_at_s - time.monotonic()) + _SPARE_S
    bounds = [str(seconds), str(watch.most_memory_bytes + _SPARE_BYTES)]
    # -P: what lies in the folder of whoever calls is not imported. -vv: pip says why it could not
    # ask.
    command = [sys.executable, "-P", "-c", _BOUNDED_PIP, *bounds]
    command += ["index", "versions", PACKAGE, "-vv"]
    command += ["--disable-pip-version-check", "--no-input", "--no-color", "--retries", "1"]
    command += ["--timeout", str(_PIP_WAITS_S)]
    kept = {name: text for name, text in os.environ.items() if name != "PIP_QUIET"}
    heard = folder / "said"
    with heard.open("wb") as output:
        pip = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _keep_within(watch, pip)
        finally:
            pip.kill()
            pip.wait()
    with heard.open("rb") as file:
        # What it found, or why it found nothing, comes last.
        file.seek(max(heard.stat().st_size - _MOST_SAID_BYTES, 0))
        return pip.returncode, file.read().decode(errors="replace")


def _keep_within(watch: _Watch, pip: subprocess.Popen[bytes]) -> None:
    """Returns when it has ended. FetchFailed when it takes too long, or too much memory."""
    while True:
        try:
            pip.wait(_LOOK_S)
            return
        except subprocess.TimeoutExpired:
            if watch.given_up():
                raise FetchFailed("The package index was not waited for.") from None
            if time.monotonic() > watch.ends_at_s:
                raise FetchFailed(
                    "The package index was too slow: pip had not read its answer in time.",
                    hint="Try again later.",
                ) from None
        if _memory_bytes(pip.pid) > watch.most_memory_bytes:
            raise FetchFailed(
                "The package index answered more than can be read: pip took over "
                f"{watch.most_memory_bytes >> 20} MiB.",
                hint=_HINT,
            )


def _memory_bytes(pid: int) -> int:
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def _told(said: str) -> list[str]:
    lines = _TOLD.findall(said)
    return lines[-1].split(", ") if lines else []


def read_version(text: str) -> Version | None:
    """None for what no release of ours would be called."""
    if len(text) > _LONGEST_VERSION:
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _failure(said: str) -> FetchFailed:
    """Why pip ended as it did."""
    if unreached := _UNREACHED.findall(said):
        reason = _plain(next(filter(None, unreached[-1])))
        return FetchFailed(f"The package index could not be asked: {reason}.", hint=_HINT)
    if "No matching distribution found" in said:
        text = f"The package index has no release of {PACKAGE} for this machine."
        return FetchFailed(text, hint=_HINT)
    lines = [line for line in said.splitlines() if line.strip()]
    reason = _plain(lines[-1]) if lines else "it said nothing"
    return FetchFailed(f"pip could not read what the package index answered: {reason}.", hint=_HINT)


def _plain(text: str) -> str:
    """One line of `text` that is safe to show."""
    shown = "".join(each if each.isprintable() else " " for each in text).strip()
    return shown.removesuffix(" - skipping").rstrip(".")[:_LONGEST_REASON]
