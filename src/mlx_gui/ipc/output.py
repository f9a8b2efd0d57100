"""What a child prints: which request a line is about, and how many lines the server's log takes."""

import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter

_MARK = "\x1f"
_MOST_AT_ONCE = 200
_LINES_PER_S = 10
_LINE_CHARACTERS = 2_000


def print_fault(answer_id: str) -> None:
    """Print the exception that is being handled, each line with the request that met it."""
    for line in traceback.format_exc().splitlines():
        print(f"{_MARK}{answer_id}{_MARK}{line}", file=sys.stderr)  # noqa: T201
    sys.stderr.flush()


def read_line(line: str) -> tuple[str | None, str]:
    """The request that a printed line is about, if it says so, and the line."""
    if line.startswith(_MARK):
        answer_id, marked, rest = line[1:].partition(_MARK)
        if marked:
            return answer_id, rest
    return None, line


class LogShare:
    """The lines of one child that the log takes: a few hundred at once, then ten a second.

    A library that prints for each token must not fill the disk.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(_MOST_AT_ONCE)
        self._looked_s = clock()
        self._left_out = 0

    def parts(
        self, lines: Iterable[tuple[str | None, str]]
    ) -> Iterator[tuple[str | None, list[str]]]:
        """The lines to be logged, those of one request together; the last one may count others."""
        now_s = self._clock()
        self._left = min(self._left + (now_s - self._looked_s) * _LINES_PER_S, float(_MOST_AT_ONCE))
        self._looked_s = now_s
        for answer_id, group in groupby(lines, key=itemgetter(0)):
            taken: list[str] = []
            for _, line in group:
                if self._left < 1:
                    self._left_out += 1
                    continue
                self._left -= 1
                if self._left_out:
                    taken.append(f"({self._left_out} lines were left out)")
                    self._left_out = 0
                taken.append(line[:_LINE_CHARACTERS])
            if taken:
                yield answer_id, taken
