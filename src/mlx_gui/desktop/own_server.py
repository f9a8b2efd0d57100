"""The server as a child of the tray, which starts it again when it ends by itself."""

import os
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mlx_gui.client import serving
from mlx_gui.core.program import own_command
from mlx_gui.desktop.following import Change
from mlx_gui.desktop.view import View, gone
from mlx_gui.logging import LOGS_FOLDER
from mlx_gui.server_settings import ROWS

_COMPLAINTS = "tray.log"
_DELAYS_S = (1, 2, 4, 8, 15, 30, 60)
_HELD_S = 60.0
"""A server that has run for so long begins with the shortest delay again."""
_WRONG_SETTINGS = 2
"""Exit code of a start that no repetition mends."""


@dataclass(frozen=True, slots=True)
class _Child:
    """`ending` is set once it is to end, or to be left alone."""

    process: subprocess.Popen[bytes]
    ending: threading.Event

    @property
    def runs(self) -> bool:
        return self.process.poll() is None


class OwnServer:
    """At most one child. What it says outside of its log lies in `logs/tray.log`.

    It is in a session of its own: it may go on without the tray.
    """

    def __init__(self, data_dir: Path, change: Change) -> None:
        self._data_dir = data_dir
        self._change = change
        self._child: _Child | None = None
        self._changing = threading.Lock()

    @property
    def runs(self) -> bool:
        child = self._child
        return child is not None and child.runs

    def begin(self) -> None:
        """Start it, unless it runs or a server of somebody else does. Raises OSError."""
        with self._changing:
            child = self._child
            if child is not None and child.ending.is_set():
                # Two at once would fight for the data directory.
                child.process.wait()
            if self.runs or serving(self._data_dir):
                return
            child = self._spawn()
        self._keep_aside(child)

    def end(self) -> None:
        """Have it end, after its answers, and wait for that."""
        child = self._child
        if child is None:
            return
        child.ending.set()
        child.process.terminate()
        child.process.wait()
        with self._changing:
            if self._child is child:
                self._change(gone)

    def leave(self) -> None:
        """Let it go on without the tray."""
        if self._child is not None:
            self._child.ending.set()

    def _spawn(self) -> _Child:
        logs = self._data_dir / LOGS_FOLDER
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        variables = {
            ROWS["log_file"].environment_name: "on",
            **os.environ,
            ROWS["data_dir"].environment_name: str(self._data_dir),
        }
        with (logs / _COMPLAINTS).open("wb") as complaints:
            process = subprocess.Popen(
                own_command("start"),
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                env=variables,
                start_new_session=True,
            )
        self._child = _Child(process, threading.Event())
        self._change(_starting)
        return self._child

    def _keep_aside(self, child: _Child) -> None:
        work = partial(self._keep, child)
        threading.Thread(target=work, name="own-server", daemon=True).start()

    def _keep(self, child: _Child) -> None:
        """Until it has ended for good."""
        failures = 0
        while True:
            began_s = time.monotonic()
            code = child.process.wait()
            if child.ending.is_set():
                return
            if serving(self._data_dir):
                self._change(partial(replace, keeper="other"))
                return
            self._change(partial(gone, problem=self._why(code)))
            failures = 0 if time.monotonic() - began_s > _HELD_S else failures
            delay_s = _DELAYS_S[min(failures, len(_DELAYS_S) - 1)]
            failures += 1
            if code in (0, _WRONG_SETTINGS) or child.ending.wait(delay_s):
                return
            with self._changing:
                # Somebody may have started another one meanwhile.
                if child.ending.is_set() or self._child is not child:
                    return
                child = self._spawn()

    def _why(self, code: int) -> str:
        """The last thing that it said, if it did."""
        if code == 0:
            return ""
        text = (self._data_dir / LOGS_FOLDER / _COMPLAINTS).read_text(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1].removeprefix("Error: ")
        return f"The server has ended unexpectedly (code {code})."


def _starting(view: View) -> View:
    return replace(view, phase="starting", keeper="tray", logs_there=True)
