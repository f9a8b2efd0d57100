"""Requests that are on their way to the main thread, so that it can read those together that come
together.

A step that reads one prompt holds up the next one for as long as that takes. So the main thread
waits for a moment before a step: while a request is being prepared, and after several answers ended
in one step, because whoever asked for them often asks again at once.
"""

import threading
import time
from collections.abc import Callable

PREPARING_S = 0.005
"""No longer than this for requests that are being prepared."""

RETURNING_S = 0.015
"""Nor than this, after the step, for those whose answers have ended together."""


class Arrivals:
    """Told by the receiver, the preparation and the main thread; only the main thread waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._preparing = 0
        self._expected = 0
        self._expected_until_s = 0.0

    def received(self) -> None:
        """A request has come, and is going to be prepared."""
        with self._changed:
            self._preparing += 1
            self._expected -= 1

    def prepared(self) -> None:
        """A request is in the main thread's inbox, or was answered."""
        with self._changed:
            self._preparing -= 1
            self._changed.notify()

    def ended(self, count: int) -> None:
        """So many answers ended in one step; one alone says nothing of what comes next."""
        with self._changed:
            self._expected = count if count > 1 else 0
            self._expected_until_s = self._clock() + RETURNING_S

    def await_company(self) -> bool:
        """Wait for requests that are near; whether any may have come meanwhile."""
        with self._changed:
            began_s = self._clock()
            if self._longest_s(began_s) <= 0:
                return False
            while (left_s := self._longest_s(began_s)) > 0:
                self._changed.wait(left_s)
            return True

    def _longest_s(self, began_s: float) -> float:
        """How much longer to wait."""
        now_s = self._clock()
        until_s = began_s + PREPARING_S if self._preparing > 0 else now_s
        if self._expected > 0:
            until_s = max(until_s, self._expected_until_s)
        return until_s - now_s
