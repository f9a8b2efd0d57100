"""What each download may take of the line."""

from collections.abc import Callable, Generator
from contextlib import contextmanager


class Bandwidth:
    """Shares `limit_bytes` a second, 0 being no limit, evenly among those that run."""

    def __init__(self, limit_bytes: Callable[[], int]) -> None:
        self._limit_bytes = limit_bytes
        self._running: dict[object, Callable[[int], None]] = {}

    @contextmanager
    def shared(self, tell: Callable[[int], None]) -> Generator[None]:
        """While it lasts, `tell` is told the share, now and whenever it becomes another."""
        mark = object()
        self._running[mark] = tell
        self.share_anew()
        try:
            yield
        finally:
            del self._running[mark]
            self.share_anew()

    def share_anew(self) -> None:
        """After the limit has changed."""
        limit_bytes = self._limit_bytes()
        share_bytes = max(1, limit_bytes // max(1, len(self._running))) if limit_bytes else 0
        for tell in self._running.values():
            tell(share_bytes)
