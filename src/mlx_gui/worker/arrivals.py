"""Requests that are on their way to the main thread, so that it can read those together that come
together.

A step that reads one prompt holds up the next one for as long as that takes. So the main thread
waits for a moment before a step: while a request is being prepared; after several answers ended in
one step, because whoever asked for them often asks again at once; and before the first prompt of
many, if the ones before came several at a time.
"""

import math
import threading
import time
from collections.abc import Callable

PREPARING_S = 0.010
"""So long after the last one came, for requests that are being prepared."""

RETURNING_S = 0.015
"""So long after the step or the last one that came, for those whose answers ended together."""

BEHIND_S = 0.012
"""Requests closer behind each other than this come together, if no step ended between them."""

LONGEST_S = 0.040
"""No wait is longer, however many come."""


class Arrivals:
    """Told by the receiver, the preparation and the main thread; only the main thread waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._preparing = 0
        self._expected = 0
        # When the last one came, and when that or the end of several answers was.
        self._received_s = -math.inf
        self._returned_s = -math.inf
        # How many came together just now, and whether it was several the time before.
        self._together = 0
        self._in_company = False
        self._stepped = False

    def received(self) -> None:
        """A request has come, and is going to be prepared."""
        with self._changed:
            self._preparing += 1
            self._expected -= 1
            now_s = self._clock()
            if self._stepped or now_s - self._received_s > BEHIND_S:
                self._in_company = self._together > 1
                self._together = 0
            self._stepped = False
            self._together += 1
            self._received_s = self._returned_s = now_s
            self._changed.notify()

    def prepared(self) -> None:
        """A request is in the main thread's inbox, or was answered."""
        with self._changed:
            self._preparing -= 1
            self._changed.notify()

    def ended(self, count: int) -> None:
        """So many answers ended in one step; one alone says nothing of what comes next."""
        with self._changed:
            self._stepped = True
            self._expected = count if count > 1 else 0
            self._returned_s = self._clock()

    def await_company(self, *, idle: bool) -> bool:
        """Wait for requests that are near; whether any may have come meanwhile.

        `idle` is whether nothing else is held up by that.
        """
        with self._changed:
            latest_s = self._clock() + LONGEST_S
            if self._until_s(idle) <= self._clock():
                return False
            while (left_s := min(self._until_s(idle), latest_s) - self._clock()) > 0:
                self._changed.wait(left_s)
            return True

    def _until_s(self, idle: bool) -> float:
        """When there is nobody left to wait for."""
        until_s = -math.inf
        if self._preparing > 0:
            until_s = self._received_s + PREPARING_S
        if self._expected > 0:
            until_s = max(until_s, self._returned_s + RETURNING_S)
        if idle and self._in_company:
            until_s = max(until_s, self._received_s + BEHIND_S)
        return until_s
