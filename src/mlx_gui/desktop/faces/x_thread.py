"""One thread for all that is asked of an X server.

python-xlib may be called from several, and then at times each waits for what another one receives.
"""

import os
import select
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

_MANY_BYTES = 4096


class XThread:
    """Whoever goes through `events` is that thread; others have it call what they want done."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._calls: SimpleQueue[tuple[Callable[..., object], tuple[object, ...]]] = SimpleQueue()
        self._woken, self._waking = os.pipe()
        for end in (self._woken, self._waking):
            os.set_blocking(end, False)

    def later(self, function: Callable[..., object], *arguments: object) -> None:
        """Have it called when those before it have been. Any thread may ask, at any time."""
        self._calls.put((function, arguments))
        # Of a pipe that is full it wakes, too.
        with suppress(BlockingIOError):
            os.write(self._waking, b"\0")

    def events(self) -> Iterator[Any]:
        """Each event of the display as it comes, without end; calls happen in between."""
        while True:
            while self._display.pending_events():
                yield self._display.next_event()
            select.select([self._display.fileno(), self._woken], [], [])
            with suppress(BlockingIOError):
                os.read(self._woken, _MANY_BYTES)
            # Those that come meanwhile let the events have their turn first.
            for _ in range(self._calls.qsize()):
                function, arguments = self._calls.get()
                function(*arguments)
