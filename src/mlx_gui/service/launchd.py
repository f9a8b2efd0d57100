"""The service as an agent of launchd."""

import os
import plistlib
import re
import time
from pathlib import Path
from typing import Any, Literal, cast
from xml.parsers.expat import ExpatError

from mlx_gui.logging import LOG_FILE, LOGS_FOLDER
from mlx_gui.server_settings import ROWS
from mlx_gui.service.commands import ask, ask_well, is_there
from mlx_gui.service.description import Description
from mlx_gui.service.errors import ServiceError
from mlx_gui.service.system import MARK, Activity, Installed

LABEL = "mlx-gui.server"
_DELAY_S = 10
_OPEN_FILES = 10_240
_NOT_FOUND = 113
"""Exit code of launchctl where it has no such service."""
_IN_PROGRESS = 36
"""The same where the service is still ending."""
_END_DEADLINE_S = 4000
_LOOK_AGAIN_S = 0.2
_DATA_DIR, _LOGS_IN_FILE = ROWS["data_dir"].environment_name, ROWS["log_file"].environment_name
_FROM_MLX_GUI = "MlxGuiNote"


def agent_plist(description: Description, *, complaints: Path) -> dict[str, Any]:
    """The agent. launchd rotates no logs, so the server writes its own file.

    `complaints` gets what is said outside of the log, like why a start was refused.
    """
    return {
        "Label": LABEL,
        _FROM_MLX_GUI: MARK,
        "ProgramArguments": list(description.program),
        "EnvironmentVariables": {_LOGS_IN_FILE: "on", **description.environment},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _DELAY_S,
        "ExitTimeOut": description.stop_timeout_s,
        # Else an agent gets less of the processor and of the disk than a program with a window.
        "ProcessType": "Interactive",
        "SoftResourceLimits": {"NumberOfFiles": _OPEN_FILES},
        "StandardOutPath": str(complaints),
        "StandardErrorPath": str(complaints),
    }


class Launchd:
    """The agents of this user's session, asked by `launchctl`."""

    name: Literal["launchd"] = "launchd"
    before_login = ""

    def __init__(self, home: Path) -> None:
        self.file = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self._complaints = home / "Library" / "Logs" / "mlx-gui.log"
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{LABEL}"

    def render(self, description: Description) -> bytes:
        return plistlib.dumps(agent_plist(description, complaints=self._complaints))

    def read(self, content: bytes) -> Installed:
        try:
            plist = cast("dict[str, Any]", plistlib.loads(content))
            program, environment = plist["ProgramArguments"][0], plist["EnvironmentVariables"]
            data_dir = environment[_DATA_DIR]
        except (ExpatError, ValueError, LookupError, TypeError):
            return Installed("", "", ours=False)
        return Installed(str(program), str(data_dir), ours=plist.get(_FROM_MLX_GUI) == MARK)

    def check(self) -> None:
        if not is_there("launchctl"):
            raise ServiceError("There is no launchd on this machine: launchctl is not on the PATH.")
        answer = ask("launchctl", "print", self._domain)
        if answer.code != 0:
            raise ServiceError(
                "launchd has no session of this user on the screen, in which a server would run: "
                f"{answer.complaint.rstrip('.') or f'launchctl ended with code {answer.code}'}.",
                hint="Log in on the Mac itself, and run this there.",
            )

    def register(self) -> None:
        ask_well("launchctl", "enable", self._target)
        ask_well("launchctl", "bootstrap", self._domain, str(self.file))

    def unregister(self) -> None:
        if self._print() is None:
            return
        answer = ask("launchctl", "bootout", self._target)
        if answer.code not in (0, _IN_PROGRESS):
            raise ServiceError(f"launchctl failed: {answer.complaint}")
        # launchctl may be back before running answers have ended.
        ends_at_s = time.monotonic() + _END_DEADLINE_S
        while self._print() is not None:
            if time.monotonic() > ends_at_s:
                raise ServiceError("The service did not end.", hint="Look at: mlx-gui service logs")
            time.sleep(_LOOK_AGAIN_S)

    def clean(self) -> None:
        self._complaints.unlink(missing_ok=True)

    def activity(self) -> Activity:
        printed = self._print()
        if printed is None:
            return Activity(running=False)
        code = _found(r"^\s*last exit code = (\d+)", printed) or "0"
        pid = _found(r"^\s*pid = (\d+)", printed)
        failed = pid is None and code != "0"
        return Activity(
            running=pid is not None,
            pid=None if pid is None else int(pid),
            at_login=True,
            trouble=f"It ended with code {code}." if failed else "",
        )

    def start(self) -> None:
        if self._print() is None:
            self.register()
        else:
            ask_well("launchctl", "kickstart", self._target)

    def stop(self) -> None:
        # To end it is not enough: launchd would start what it keeps alive.
        self.unregister()

    def restart(self) -> None:
        # `kickstart -k` would give running answers no time.
        self.unregister()
        self.register()

    def log_command(self, data_dir: Path, *, lines: int, follow: bool) -> list[str]:
        written = (self._complaints, data_dir / LOGS_FOLDER / LOG_FILE)
        there = [str(each) for each in written if each.exists()]
        if not there:
            raise ServiceError("The service has logged nothing yet.")
        return ["tail", "-n", str(lines), *(["-F"] if follow else []), *there]

    def _print(self) -> str | None:
        """What launchd says of the service; None where it does not know it."""
        answer = ask("launchctl", "print", self._target)
        if answer.code == _NOT_FOUND:
            return None
        if answer.code != 0:
            raise ServiceError(f"launchctl failed: {answer.complaint}")
        return answer.said


def _found(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else None
