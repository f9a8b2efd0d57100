"""An X server without a screen, and a system tray on it: it takes icons in, looks and clicks."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from Xlib import X
from Xlib.display import Display
from Xlib.ext import xtest
from Xlib.protocol.event import ClientMessage

SIZE = 64
_DOCK = 0


@contextmanager
def x_server(size: str = "320x240") -> Iterator[str]:
    """The name of its display."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(writing)
        try:
            with os.fdopen(reading) as told:
                yield f":{told.readline().strip()}"
        finally:
            process.terminate()


class SystemTray:
    """The owner of the selection that icons look for."""

    def __init__(self, display: str) -> None:
        self._display = Display(display)
        screen = self._display.screen()
        self._window: Any = screen.root.create_window(
            0, 0, SIZE, SIZE, 0, screen.root_depth, background_pixel=screen.white_pixel
        )
        self._window.map()
        selection = self._display.intern_atom("_NET_SYSTEM_TRAY_S0")
        self._window.set_selection_owner(selection, X.CurrentTime)
        self._display.sync()

    def close(self) -> None:
        self._display.close()

    def take_in(self) -> bool:
        """Whether an icon has come, which is at the corner of the screen then."""
        while self._display.pending_events():
            event = self._display.next_event()
            if isinstance(event, ClientMessage) and event.data[1][1] == _DOCK:
                icon = self._display.create_resource_object("window", event.data[1][2])
                icon.reparent(self._window, 0, 0)
                icon.configure(width=SIZE, height=SIZE)
                icon.map()
                self._display.sync()
                return True
        return False

    def colours(self) -> set[bytes]:
        """Those of the pixels that the icon has now."""
        picture = self._window.get_image(0, 0, SIZE, SIZE, X.ZPixmap, 0xFFFFFFFF).data
        return {picture[at : at + 3] for at in range(0, len(picture), 4)}

    def click(self) -> None:
        xtest.fake_input(self._display, X.MotionNotify, x=SIZE // 2, y=SIZE // 2)
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self._display, kind, 1)
        self._display.sync()
