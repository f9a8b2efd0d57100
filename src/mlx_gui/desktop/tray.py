"""The tray as a whole: what it knows, who follows the server, who draws."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from mlx_gui.client import ServerUnreachable
from mlx_gui.config import SettingSources
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.desktop.acting import Acting
from mlx_gui.desktop.copying import CannotCopy
from mlx_gui.desktop.errors import NoTray
from mlx_gui.desktop.faces.face import Face
from mlx_gui.desktop.following import follow
from mlx_gui.desktop.menu_model import Action, look_of
from mlx_gui.desktop.notices import Calm, Notice, notices
from mlx_gui.desktop.only_one import only_one
from mlx_gui.desktop.own_server import OwnServer
from mlx_gui.desktop.view import View
from mlx_gui.service.errors import ServiceError

LOCK_FILE = "tray.lock"
_DRAW_APART_S = 0.5


@contextmanager
def only_tray(data_dir: Path) -> Generator[None]:
    """Keeps every other tray off `data_dir`. Raises NoTray where one is there."""
    with only_one(data_dir / LOCK_FILE, fault=NoTray) as alone:
        if not alone:
            raise NoTray(f"A tray of {data_dir} is there already.")
        yield


class Tray:
    """One server's, on one face. `run` is for the main thread."""

    def __init__(self, sources: SettingSources, face: Face) -> None:
        self._face = face
        self._view = View()
        self._changing = threading.Lock()
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._calm = Calm({})
        self._data_dir = sources.data_dir
        own = OwnServer(sources.data_dir, self.change)
        self._acting = Acting(sources, own, self.change, self._end)

    def run(self) -> None:
        """Until somebody quits. Raises NoTray."""
        try:
            self._face.run(self._begin, self._choose)
        finally:
            self._ended.set()
            self._changed.set()

    def change(self, by: Callable[[View], View]) -> None:
        """Any thread may; what has happened is told, and drawn soon."""
        with self._changing:
            before, self._view = self._view, by(self._view)
            happened = notices(before, self._view)
            now_s = time.monotonic()
            told = [each for each in happened if self._calm.lets_through(each, now_s=now_s)]
        for notice in told:
            self._face.notify(notice)
        self._changed.set()

    def _begin(self) -> None:
        self._aside("draw", self._draw)
        self._aside("start", lambda: self._attempt(self._acting.start))
        self._aside("follow", lambda: follow(self._data_dir, self.change, self._ended))

    def _choose(self, action: Action) -> None:
        self._aside(action.verb, lambda: self._attempt(lambda: self._acting.act(action)))

    def _attempt(self, work: Callable[[], None]) -> None:
        """What goes wrong is told, and nothing else ends by it."""
        try:
            work()
        except (MlxGuiError, ServerUnreachable, ServiceError) as error:
            self._complain(f"{error.message} {error.hint}".strip())
        except (OSError, CannotCopy) as error:
            self._complain(str(error))

    def _complain(self, text: str) -> None:
        self._face.notify(Notice("action", "That did not work", text))

    def _draw(self) -> None:
        """What has changed, some times a second at most."""
        shown = None
        while not self._ended.is_set():
            self._changed.wait()
            self._changed.clear()
            look = look_of(self._view)
            if look != shown:
                self._face.show(look)
                shown = look
            self._ended.wait(_DRAW_APART_S)

    def _end(self) -> None:
        self._ended.set()
        self._changed.set()
        self._face.end()

    @staticmethod
    def _aside(name: str, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()
