"""The server as a child of the tray, which starts it again when it ends by itself."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from mlx_gui.client import read_runtime
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


class OwnServer:
    """At most one child. What it says outside of its log lies in `logs/tray.log`.

    It is in a session of its own: it may go on without the tray.
    """

    def __init__(self, data_dir: Path, change: Change) -> None:
        self._data_dir = data_dir
        self._change = change
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._held = threading.Lock()

    @property
    def runs(self) -> bool:
        child = self._child
        return child is not None and child.poll() is None

    def begin(self) -> None:
        """Start it, unless it runs or a server of somebody else does. Raises OSError."""
        with self._held:
            if self.runs or is_served(self._data_dir):
                return
            self._ending.clear()
            self._spawn()
        threading.Thread(target=self._keep, name="own-server", daemon=True).start()

    def end(self) -> None:
        """Have it end, after its answers, and wait for that."""
        self._ending.set()
        with self._held:
            child = self._child
        if child is None:
            return
        child.terminate()
        child.wait()
        self._change(gone)

    def leave(self) -> None:
        """Let it go on without the tray."""
        self._ending.set()

    def _spawn(self) -> None:
        logs = self._data_dir / LOGS_FOLDER
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        start = [] if getattr(sys, "frozen", False) else ["-P", "-m", "mlx_gui"]
        variables = {
            ROWS["log_file"].environment_name: "on",
            **os.environ,
            ROWS["data_dir"].environment_name: str(self._data_dir),
        }
        with (logs / _COMPLAINTS).open("wb") as complaints:
            self._child = subprocess.Popen(
                [sys.executable, *start, "start"],
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                env=variables,
                start_new_session=True,
            )
        self._change(_starting)

    def _keep(self) -> None:
        """Until it has ended for good."""
        failures = 0
        while True:
            child, began_s = self._child, time.monotonic()
            if child is None:
                return
            code = child.wait()
            if self._ending.is_set():
                return
            if is_served(self._data_dir):
                self._change(partial(replace, keeper="other"))
                return
            self._change(partial(gone, problem=self._why(code)))
            failures = 0 if time.monotonic() - began_s > _HELD_S else failures
            delay_s = _DELAYS_S[min(failures, len(_DELAYS_S) - 1)]
            failures += 1
            if code in (0, _WRONG_SETTINGS) or self._ending.wait(delay_s):
                return
            with self._held:
                if self._ending.is_set():
                    return
                self._spawn()

    def _why(self, code: int) -> str:
        """The last thing that it said, if it did."""
        if code == 0:
            return ""
        text = (self._data_dir / LOGS_FOLDER / _COMPLAINTS).read_text(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1].removeprefix("Error: ")
        return f"The server has ended unexpectedly (code {code})."


def is_served(data_dir: Path) -> bool:
    """Whether some server has said that it runs there, and its process is alive."""
    runtime = read_runtime(data_dir)
    return runtime is not None and psutil.pid_exists(runtime.pid)


def _starting(view: View) -> View:
    return replace(view, phase="starting", keeper="tray", logs_there=True)
