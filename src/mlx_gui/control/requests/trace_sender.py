"""The thread that sends traces to a collector, which may be slow, gone, or no collector at all."""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Event, Lock, Thread
from typing import Protocol

import structlog

from mlx_gui.control.requests.traces import Trace

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MOST_WAITING = 2_000
"""Traces that wait for a collector that takes none; older ones are lost."""

_TOGETHER = 200
_GATHERING_S = 1.0


class Exporter(Protocol):
    """Brings traces to one collector. `give_up` is called by another thread."""

    def send(self, traces: Sequence[Trace]) -> str | None:
        """Why they were not taken; None if they were. Takes some seconds at most, by its own."""
        ...

    def give_up(self) -> None:
        """Have `send` not try again."""
        ...


class SpanCounts:
    """Spans of all traces since the start of the server: `sent`, and `dropped` on the way."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.sent = 0
        self.dropped = 0

    def count(self, *, sent: int = 0, dropped: int = 0) -> None:
        with self._lock:
            self.sent += sent
            self.dropped += dropped


class TraceSender(Thread):
    """Sends what it is given with what `open_exporter` makes, which is called in this thread.

    No end of the process waits for it. That a collector takes nothing is logged once, until it does
    again.
    """

    def __init__(self, open_exporter: Callable[[], Exporter], counts: SpanCounts) -> None:
        super().__init__(name="traces", daemon=True)
        self._open_exporter = open_exporter
        self._counts = counts
        self._waiting: deque[Trace] = deque()
        self._under_way = 0
        self._arrived = Condition()
        self._last = Event()
        self._exporter: Exporter | None = None
        self._failing = False

    def put(self, trace: Trace) -> None:
        """Send `trace` within some seconds. Blocks nobody."""
        if not self.is_alive():
            self._counts.count(dropped=trace.spans)
            return
        with self._arrived:
            if len(self._waiting) >= MOST_WAITING:
                self._counts.count(dropped=self._waiting.popleft().spans)
            self._waiting.append(trace)
            self._arrived.notify()

    def finish(self) -> None:
        """Send what is there at once, and end."""
        with self._arrived:
            self._last.set()
            self._arrived.notify()

    def give_up(self) -> int:
        """Have it end without what it has not brought away, so many spans."""
        with self._arrived:
            left = self._under_way + sum(each.spans for each in self._waiting)
            self._waiting.clear()
            self._under_way = 0
        self._counts.count(dropped=left)
        if self._exporter is not None:
            self._exporter.give_up()
        return left

    def run(self) -> None:
        try:
            self._exporter = exporter = self._open_exporter()
        except (ImportError, OSError, ValueError) as error:
            # By what the environment says of OpenTelemetry, or what is left of it on the disk.
            log.error("traces_not_sent", reason=f"OpenTelemetry does not start: {error}")
            self.give_up()
            return
        while batch := self._next():
            self._note(exporter.send(batch))

    def _next(self) -> list[Trace]:
        """Those that came together; none when no more come."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._waiting or self._last.is_set())
        self._last.wait(_GATHERING_S)
        with self._arrived:
            batch = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
            self._under_way = sum(each.spans for each in batch)
        return batch

    def _note(self, problem: str | None) -> None:
        with self._arrived:
            done, self._under_way = self._under_way, 0
        if problem is None:
            self._counts.count(sent=done)
        else:
            self._counts.count(dropped=done)
        if problem is not None and not self._failing:
            log.warning("traces_not_sent", reason=problem)
        elif problem is None and self._failing:
            log.info("traces_sent_again")
        self._failing = problem is not None
