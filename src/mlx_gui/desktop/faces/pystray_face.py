"""The tray by pystray: the menu bar of macOS, and the tray of plain X, which has no menus."""

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mlx_gui.desktop.faces.face import NAME
from mlx_gui.desktop.faces.x_thread import XThread
from mlx_gui.desktop.icons import BLACK, GREY, drawn
from mlx_gui.desktop.menu_model import Action, Entry, IconState, Look
from mlx_gui.desktop.notices import Notice

_PIXELS = 44


class PystrayFace:
    """pystray has no types, so what it makes is Any here and nowhere else."""

    def __init__(self) -> None:
        on_mac = sys.platform == "darwin"
        if not on_mac:
            # The others that it would try need libraries of GNOME.
            os.environ["PYSTRAY_BACKEND"] = "xorg"
        self._library: Any = import_module("pystray")
        self._pictures: Any = import_module("PIL.Image")
        # The loop of AppKit would not let Python's own handlers have their turn.
        self._signals: Any = import_module("PyObjCTools.MachSignals" if on_mac else "signal")
        self._chosen: Callable[[Action], None] | None = None
        self._shown: IconState = "stopped"
        self._icon: Any = self._library.Icon(NAME, self._picture("stopped"), NAME)
        self._later: Any
        if on_mac:
            self._later = import_module("PyObjCTools.AppHelper").callAfter
        else:
            self._ask_for_clicks()
            thread = XThread(self._icon._display)
            self._icon._events = thread.events
            self._later = thread.later

    def run(self, begun: Callable[[], None], chosen: Callable[[Action], None]) -> None:
        self._chosen = chosen

        def on_signal(number: int, frame: object) -> None:
            chosen(Action("quit_own"))

        for number in (signal.SIGINT, signal.SIGTERM):
            self._signals.signal(number, on_signal)

        def set_up(icon: Any) -> None:
            self._later(self._appear)
            begun()

        self._icon.run(set_up)

    def show(self, look: Look) -> None:
        self._later(self._draw, look)

    def notify(self, notice: Notice) -> None:
        if self._icon.HAS_NOTIFICATION:
            self._later(self._icon.notify, notice.text or notice.title, notice.title)

    def end(self) -> None:
        self._later(self._icon.stop)

    def _appear(self) -> None:
        self._icon.visible = True
        self._as_template()

    def _draw(self, look: Look) -> None:
        if look.icon != self._shown:
            self._shown = look.icon
            self._icon.icon = self._picture(look.icon)
            self._as_template()
        self._icon.title = look.title
        items = [self._item(entry) for entry in look.menu]
        if look.first is not None:
            # Where there are no menus, a click means the one that is the default.
            first = self._entry(Entry(look.title, look.first), default=True, visible=False)
            items.insert(0, first)
        self._icon.menu = self._library.Menu(*items)

    def _item(self, entry: Entry) -> Any:
        if not entry.label:
            return self._library.Menu.SEPARATOR
        return self._entry(entry, default=False, visible=True)

    def _entry(self, entry: Entry, *, default: bool, visible: bool) -> Any:
        action: Any = None
        if entry.entries:
            action = self._library.Menu(*map(self._item, entry.entries))
        elif entry.action is not None:
            action = self._choosing(entry.action)
        checked = None if entry.checked is None else _always(entry.checked)
        return self._library.MenuItem(
            entry.label,
            action,
            checked=checked,
            default=default,
            visible=visible,
            enabled=action is not None,
        )

    def _choosing(self, action: Action) -> Callable[[Any, Any], None]:
        def choose(icon: Any, item: Any) -> None:
            if self._chosen is not None:
                self._chosen(action)

        return choose

    def _picture(self, state: IconState) -> Any:
        colour = BLACK if sys.platform == "darwin" else GREY
        drawing = drawn(state, pixels=_PIXELS, colour=colour)
        return self._pictures.frombytes("RGBA", (_PIXELS, _PIXELS), drawing)

    def _ask_for_clicks(self) -> None:
        """pystray handles clicks on X, and does not ask X for them."""
        masks: Any = import_module("Xlib.X")
        wanted = masks.ExposureMask | masks.StructureNotifyMask | masks.ButtonPressMask
        self._icon._window.change_attributes(event_mask=wanted)

    def _as_template(self) -> None:
        """macOS colours the icon itself then, by what lies behind it."""
        image: Any = getattr(self._icon, "_icon_image", None)
        if sys.platform == "darwin" and image is not None:
            image.setTemplate_(True)


def _always(checked: bool) -> Callable[[Any], bool]:
    return lambda _: checked
