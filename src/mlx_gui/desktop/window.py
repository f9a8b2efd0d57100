"""The window as a whole: which page it shows, whose server, what a later start hands over."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from mlx_gui.client import ServerUnreachable, serving
from mlx_gui.config import SettingSources
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.program import own_command
from mlx_gui.desktop.acting import Acting
from mlx_gui.desktop.errors import BadLink
from mlx_gui.desktop.following import follow
from mlx_gui.desktop.handing_over import listen
from mlx_gui.desktop.links import page_of
from mlx_gui.desktop.own_server import OwnServer
from mlx_gui.desktop.pane import Pane
from mlx_gui.desktop.place import read_place, write_place
from mlx_gui.desktop.signals import ended_by_signals
from mlx_gui.desktop.view import View
from mlx_gui.server_settings import ROWS
from mlx_gui.service.errors import ServiceError

LOCK_FILE = "window.lock"
_STARTING = "The server is starting."
_TRAY_TRIES_S = 10.0
_LOOK_AGAIN_S = 0.1


class Window:
    """One server's, on one pane. `run` is for the main thread, and for whoever has the lock."""

    def __init__(self, sources: SettingSources, pane: Pane, *, page: str, with_tray: bool) -> None:
        self._sources = sources
        self._data_dir = sources.data_dir
        self._pane = pane
        self._page = page
        self._with_tray = with_tray
        self._view = View()
        self._shown = ""
        self._changing = threading.Lock()
        self._begun = threading.Event()
        self._closed = threading.Event()
        self._own = OwnServer(self._data_dir, self._change)
        self._acting = Acting(sources, self._own, self._change, pane.close)

    def run(self) -> None:
        """Until somebody closes it. A server that this window has started ends with it, after its
        answers; one that a tray has started stays. Raises NoWindow."""
        listen(self._data_dir, self._arrived)
        try:
            with ended_by_signals(self._pane.close):
                place = self._pane.run(read_place(self._data_dir), self._begin)
            # On a disk that is full it will be where the desktop puts it.
            with suppress(OSError):
                write_place(self._data_dir, place)
        finally:
            self._closed.set()
            self._own.end()

    def _begin(self) -> None:
        self._pane.say(_STARTING)
        self._begun.set()
        self._aside("follow", lambda: follow(self._data_dir, self._change, self._closed))
        self._aside("start", self._start)

    def _start(self) -> None:
        """A server: that of the tray where one can be, else by the service or as a child."""
        if self._with_tray and self._tray_serves():
            return
        try:
            self._acting.start()
        except (MlxGuiError, ServerUnreachable, ServiceError) as error:
            self._say(f"{error.message} {error.hint}".strip())
        except OSError as error:
            self._say(str(error))

    def _tray_serves(self) -> bool:
        """Whether a tray is there now, or a server already; a second tray ends by itself."""
        tray = subprocess.Popen(
            own_command("tray"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, ROWS["data_dir"].environment_name: str(self._data_dir)},
            start_new_session=True,
        )
        ends_at_s = time.monotonic() + _TRAY_TRIES_S
        while tray.poll() is None and time.monotonic() < ends_at_s:
            if serving(self._data_dir) or self._closed.wait(_LOOK_AGAIN_S):
                return True
        return tray.poll() is None

    def _arrived(self, link: str) -> None:
        """From a second start, or from whoever may write into the data directory."""
        self._begun.wait()
        self._pane.to_front()
        if link:
            with suppress(BadLink):
                self._go(page_of(link))

    def _go(self, page: str) -> None:
        with self._changing:
            self._page = page
            if self._shown:
                self._pane.open(f"{self._shown}/admin/{page}")

    def _change(self, by: Callable[[View], View]) -> None:
        """Any thread may. The page is opened once; whether its server is there it sees itself."""
        with self._changing:
            before, self._view = self._view, by(self._view)
            view = self._view
            if self._closed.is_set():
                return
            if view.phase == "running" and view.address != self._shown:
                self._shown = view.address
                self._pane.open(f"{view.address}/admin/{self._page}")
            elif view.problem and view.problem != before.problem and not self._shown:
                self._pane.say(view.problem)

    def _say(self, text: str) -> None:
        with self._changing:
            if not self._shown and not self._closed.is_set():
                self._pane.say(text)

    @staticmethod
    def _aside(name: str, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()
