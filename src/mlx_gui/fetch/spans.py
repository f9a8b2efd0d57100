"""Which bytes of a file are there."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator


class Spans:
    """Bytes as half open ranges, sorted, none touching the next."""

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._spans: list[tuple[int, int]] = []
        for start, end in spans:
            self.add(start, end)

    @property
    def total(self) -> int:
        return sum(end - start for start, end in self._spans)

    @property
    def end(self) -> int:
        """Behind the last byte that is there."""
        return self._spans[-1][1] if self._spans else 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._spans)

    def add(self, start: int, end: int) -> None:
        """These bytes are there as well."""
        if start >= end:
            return
        at = bisect_left(self._spans, (start,))
        if at and self._spans[at - 1][1] >= start:
            at -= 1
        last = at
        while last < len(self._spans) and self._spans[last][0] <= end:
            start, end = min(start, self._spans[last][0]), max(end, self._spans[last][1])
            last += 1
        self._spans[at:last] = [(start, end)]

    def gaps(self, size: int) -> Iterator[tuple[int, int]]:
        """What is missing of `size` bytes."""
        at = 0
        for start, end in self._spans:
            if at < start:
                yield at, start
            at = end
        if at < size:
            yield at, size

    def copy(self) -> "Spans":
        made = Spans()
        made._spans = list(self._spans)
        return made
