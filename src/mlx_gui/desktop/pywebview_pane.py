"""The window by pywebview: WebKit of macOS, WebKit of GTK or Qt's WebEngine on Linux."""

import logging
import sys
import threading
import webbrowser
from collections.abc import Callable
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from mlx_gui.core.program import is_standalone
from mlx_gui.desktop.errors import NoWindow
from mlx_gui.desktop.links import same_server
from mlx_gui.desktop.pane import TITLE
from mlx_gui.desktop.place import SMALLEST, Place, Screen, frame_between, on_screen

EXTRA_HINT = "Install it with the extra: pip install 'mlx-gui[app]'"
_STORE_FOLDER = "window"
"""What the interface remembers by itself, like its language, as a browser would."""
_BACKENDS = ("gi", "qtpy")
_BACKEND_HINT = (
    "On Debian and Ubuntu: apt install python3-gi gir1.2-webkit2-4.1, in an environment that sees "
    "the system's packages; or: pip install qtpy PySide6."
)
_PAPER = """<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>mlx-gui</title><style>body {{ font: 15px system-ui; display: grid; place-items: center;
height: 100vh; margin: 0; }} p {{ max-width: 32em; margin: 2em; }}</style><p>{text}</p>"""


def pane_here(data_dir: Path) -> "PywebviewPane":
    """Raises NoWindow where its libraries are not."""
    if is_standalone() and sys.platform != "darwin":
        raise NoWindow(
            "The standalone app has no window on Linux.",
            hint="`mlx-gui start --open` opens the interface in a browser.",
        )
    if find_spec("webview") is None:
        raise NoWindow("The window needs webview.", hint=EXTRA_HINT)
    if sys.platform != "darwin" and not any(map(find_spec, _BACKENDS)):
        raise _no_backend()
    return PywebviewPane(data_dir)


class PywebviewPane:
    """pywebview says little of its types, so what it makes is Any here and nowhere else."""

    def __init__(self, data_dir: Path) -> None:
        # It tells of each library that it does not find, with a traceback.
        logging.getLogger("pywebview").setLevel(logging.CRITICAL)
        self._library: Any = import_module("webview")
        self._store = data_dir / _STORE_FOLDER
        self._window: Any = None
        self._place = Place()
        self._own = ""
        """The page of ours that was shown last; empty before there is one."""

    def run(self, place: Place, begun: Callable[[], None]) -> Place:
        self._place = on_screen(place, self._screens())
        self._window = self._library.create_window(
            TITLE,
            html=_PAPER.format(text=""),
            width=self._place.width,
            height=self._place.height,
            x=self._place.x,
            y=self._place.y,
            min_size=SMALLEST,
            maximized=self._place.maximized,
            text_select=True,
            zoomable=True,
        )
        self._listen(self._window.events)
        self._store.mkdir(mode=0o700, exist_ok=True)
        self._library.start(begun, private_mode=False, storage_path=str(self._store))
        return self._place

    def open(self, address: str) -> None:
        self._own = address
        self._window.load_url(address)

    def say(self, text: str) -> None:
        self._own = ""
        self._window.load_html(_PAPER.format(text=escape(text)))

    def to_front(self) -> None:
        self._window.restore()
        self._window.show()

    def close(self) -> None:
        self._window.destroy()

    def _screens(self) -> list[Screen]:
        try:
            found: list[Any] = self._library.screens
        except self._library.WebViewException:
            raise _no_backend() from None
        return [
            Screen(int(each.x), int(each.y), int(each.width), int(each.height)) for each in found
        ]

    def _listen(self, events: Any) -> None:
        asked, frame = self._place, None

        def moved(x: float, y: float) -> None:
            nonlocal frame
            if frame is None:
                frame = frame_between(asked, int(x), int(y))
            self._note(x=int(x) - frame[0], y=int(y) - frame[1])

        def resized(width: float, height: float) -> None:
            self._note(width=int(width), height=int(height))

        events.moved += moved
        events.resized += resized
        events.maximized += lambda: self._note(maximized=True)
        events.restored += lambda: self._note(maximized=False)
        events.loaded += lambda: self._aside(self._keep_to_own)

    def _note(self, **changes: Any) -> None:
        """One that is maximized keeps the place that it has when it is not."""
        if not self._place.maximized or "maximized" in changes:
            self._place = msgspec.structs.replace(self._place, **changes)

    def _keep_to_own(self) -> None:
        """What is not ours goes to the browser, where an address says whose it is."""
        address: str | None = self._window.get_current_url()
        if not self._own or not address or not address.startswith(("http:", "https:")):
            return
        if same_server(address, self._own):
            self._own = address
            return
        webbrowser.open(address)
        self._window.load_url(self._own)

    @staticmethod
    def _aside(work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()


def _no_backend() -> NoWindow:
    return NoWindow("Neither WebKit of GTK nor WebEngine of Qt was found.", hint=_BACKEND_HINT)
