"""How fast bytes may come, and how long it is worth waiting for them."""

import threading
import time

from mlx_gui.core.errors import FetchFailed, MlxGuiError

_BURST_S = 0.25
_LEAST_BYTES_PER_S = 1024
"""A connection that brings less is given up for a new one."""
_FIRST_BACK_OFF_S = 0.5
_LONGEST_BACK_OFF_S = 15.0
_PROGRESS_BYTES = 64 * 1024
"""Less than that is no progress: a line that drips is as good as dead."""
_LONGEST_TOLD_WAIT_S = 3600.0
"""What a hub may say in all of when to come back, before anything has come."""


class Limit:
    """At most so many bytes a second, all threads together; 0 is no limit."""

    def __init__(self, bytes_per_s: int, stop: threading.Event) -> None:
        self._lock = threading.Lock()
        self._stop = stop
        self._bytes_per_s = bytes_per_s
        self._free_at_s = time.monotonic()

    def set(self, bytes_per_s: int) -> None:
        with self._lock:
            self._bytes_per_s = bytes_per_s
            self._free_at_s = time.monotonic()

    def take(self, count: int) -> float:
        """Wait until `count` bytes more may come; returns the seconds that it took."""
        with self._lock:
            if not self._bytes_per_s:
                return 0.0
            now_s = time.monotonic()
            begin_s = max(self._free_at_s, now_s - _BURST_S)
            self._free_at_s = begin_s + count / self._bytes_per_s
            wait_s = self._free_at_s - now_s
        if wait_s <= 0:
            return 0.0
        self._stop.wait(wait_s)
        return wait_s


class Pulse:
    """Whether a connection lives. What we rest ourselves is not held against it."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._since_s = time.monotonic()
        self._count = 0

    def beat(self, count: int, *, rested_s: float) -> None:
        """Raises FetchFailed when it has all but stopped."""
        self._count += count
        self._since_s += rested_s
        passed_s = time.monotonic() - self._since_s
        if passed_s < self._stall_s:
            return
        if self._count < _LEAST_BYTES_PER_S * passed_s:
            raise FetchFailed(
                f"Only {self._count} bytes came in {passed_s:.0f} s.",
                hint="Try again; what has come so far is kept.",
            )
        self._since_s, self._count = time.monotonic(), 0


class Patience:
    """Says how long to rest after a failure, until nothing has come for too long."""

    def __init__(self, patience_s: float) -> None:
        self._lock = threading.Lock()
        self._patience_s = patience_s
        self._failing_since_s: float | None = None
        self._bytes = 0
        self._failures = 0
        self._next_try_s = 0.0
        self._told_s = 0.0
        self.note = ""
        """Why nothing comes, while nothing does."""

    def came(self, count: int) -> None:
        with self._lock:
            self._bytes += count
            if self._bytes >= _PROGRESS_BYTES:
                self._note_progress()

    def progress(self) -> None:
        """A file is there, however small it was."""
        with self._lock:
            self._note_progress()

    def rest_s(self, error: MlxGuiError) -> float:
        """Seconds until the next try. Raises `error` when it is not worth another.

        Threads that fail together wait together.
        """
        with self._lock:
            now_s = time.monotonic()
            self.note = error.message
            if error.retry_after_s is not None:
                wait_s = float(max(0, error.retry_after_s))
                self._told_s += wait_s
                if self._told_s > _LONGEST_TOLD_WAIT_S:
                    raise error
                # Whoever says when it goes on is believed, and the wait is not held against it.
                self._failing_since_s = None
                return wait_s
            if self._failing_since_s is None:
                self._failing_since_s = now_s
            if now_s - self._failing_since_s > self._patience_s:
                raise error
            if now_s >= self._next_try_s:
                wait_s = min(_FIRST_BACK_OFF_S * 2**self._failures, _LONGEST_BACK_OFF_S)
                self._failures += 1
                self._next_try_s = now_s + wait_s
            return max(0.0, self._next_try_s - now_s)

    def _note_progress(self) -> None:
        self._failing_since_s = None
        self._bytes = self._failures = 0
        self._told_s = 0.0
        self.note = ""
