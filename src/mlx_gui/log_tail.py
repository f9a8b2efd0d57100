"""The last lines of the log, kept in memory for whoever looks at them."""

import logging
import threading
from collections import deque
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

MOST_LINES = 5_000
MOST_BYTES = 4_000_000
LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class LogLine:
    """`seq` counts from 1 since the server began; `at` is an ISO time; `fields` is JSON."""

    seq: int
    at: str
    level: str
    event: str
    fields: bytes


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines somebody wants: from `level` on, about that model, of that request."""

    level: str = LEVELS[0]
    model: str | None = None
    request_id: str | None = None

    def fits(self, line: LogLine) -> bool:
        if _rank(line.level) < _rank(self.level):
            return False
        if self.model is None and self.request_id is None:
            return True
        fields = msgspec.json.decode(line.fields, type=dict[str, Any])
        asked = (("model", self.model), ("request_id", self.request_id))
        return all(wanted is None or fields.get(name) == wanted for name, wanted in asked)


class LogTail(logging.Handler):
    """Keeps what its formatter hands to `keep`; any thread may log.

    Bounded by lines and by their bytes. `listen` names who is told, in the thread that logs, that
    there is more.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[LogLine] = deque()
        self._bytes = 0
        self._last = 0
        self._told: Callable[[], object] | None = None
        self._keeping = threading.Lock()

    @property
    def last(self) -> int:
        """The number of the newest line; 0 before the first."""
        return self._last

    def listen(self, told: Callable[[], object] | None) -> None:
        """Have `told` called after each new line; None for nobody."""
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)
        if self._told is not None:
            self._told()

    def keep(self, _: object, __: str, event: MutableMapping[str, Any]) -> str:
        """The last processor of the formatter: takes the event, and leaves nothing to print."""
        at, level = str(event.pop("timestamp", "")), str(event.pop("level", "info"))
        name = str(event.pop("event", ""))
        fields = msgspec.json.encode(event, enc_hook=str)
        if len(fields) > MOST_BYTES // 100:
            fields = msgspec.json.encode({"left_out_bytes": len(fields)})
        with self._keeping:
            self._last += 1
            self._lines.append(LogLine(self._last, at, level, name, fields))
            self._bytes += len(fields)
            while len(self._lines) > MOST_LINES or self._bytes > MOST_BYTES:
                self._bytes -= len(self._lines.popleft().fields)
        return ""

    def find(
        self, wanted: LogQuery, *, limit: int, after: int | None = None, before: int | None = None
    ) -> tuple[list[LogLine], bool]:
        """At most `limit` lines in their order, and whether there are more that way.

        The first ones after `after`; without it the last ones, before `before` if that is given.
        """
        with self._keeping:
            lines = list(self._lines)
        if after is not None:
            ahead = (line for line in lines if line.seq > after and wanted.fits(line))
            found = list(islice(ahead, limit + 1))
            return found[:limit], len(found) > limit
        back = (
            line
            for line in reversed(lines)
            if (before is None or line.seq < before) and wanted.fits(line)
        )
        found = list(islice(back, limit + 1))
        return found[:limit][::-1], len(found) > limit


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else 0
