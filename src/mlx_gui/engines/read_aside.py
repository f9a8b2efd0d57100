"""What another thread has read of requests that take long (`engines.base.TakesLong`)."""

import threading
from collections.abc import Sequence
from operator import is_
from typing import Generic, TypeVar

MOST_KEPT = 4
"""Requests that are kept until they are prepared anew; who is cancelled leaves his."""

Read = TypeVar("Read")


class ReadAside(Generic[Read]):
    """By the very objects that were read: what is only alike is somebody else's. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[tuple[Sequence[object], Read]] = []

    def keep(self, of: Sequence[object], read: Read) -> None:
        """Have `read` there for whoever asks for `of` next; the oldest may go for it."""
        with self._lock:
            self._kept = [*self._kept, (of, read)][-MOST_KEPT:]

    def take(self, of: Sequence[object]) -> Read | None:
        """What was read of `of`, once; None where nothing was."""
        with self._lock:
            for place, (known, read) in enumerate(self._kept):
                if len(known) == len(of) and all(map(is_, known, of)):
                    del self._kept[place]
                    return read
        return None
