"""Which inputs of which requests are read together.

Padding costs as much as text, so inputs of one batch are of like length. Whose turn it is has the
longest of its own read, and what fits beside comes from its own first and then from all others:
many small requests share a batch, and a large one holds nobody up for longer than its own turn.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

_LIKE_TOKENS = 16
"""What is shorter than the longest by no more than this is of like length."""

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Item:
    """Input number `index` of a request, as token ids; `types` tells a query from a document."""

    index: int
    ids: Ids
    types: Ids | None = None

    def __len__(self) -> int:
        return len(self.ids)


def _like_tokens(tokens: int) -> int:
    """By so much the lengths of a batch may differ."""
    return max(_LIKE_TOKENS, tokens // 8)


@dataclass(slots=True)
class _Waiting:
    """Inputs of one request that were not read yet, the shortest first."""

    items: list[Item]
    lengths: list[int]

    def take(self, *, shortest: int, longest: int, most: int) -> list[Item]:
        """Up to `most` of those with a length between both, the longest first."""
        end = bisect_right(self.lengths, longest)
        start = max(bisect_left(self.lengths, shortest), end - most)
        taken = self.items[start:end]
        del self.items[start:end], self.lengths[start:end]
        return taken[::-1]

    def longest_up_to(self, tokens: int) -> int:
        """The length of the longest that is no longer than this; 0 where all are."""
        end = bisect_right(self.lengths, tokens)
        return self.lengths[end - 1] if end else 0


@dataclass(slots=True)
class Batches:
    """The inputs of all requests that are answered, in turns. `budget_tokens` count padding."""

    budget_tokens: int
    _waiting: dict[str, _Waiting] = field(default_factory=dict[str, _Waiting])

    def add(self, request_id: str, items: Iterable[Item]) -> None:
        """The last in the row of turns."""
        by_length = sorted(items, key=len)
        self._waiting[request_id] = _Waiting(by_length, [len(each) for each in by_length])

    def remove(self, request_id: str) -> None:
        """What of it was not read yet is not read any more."""
        self._waiting.pop(request_id, None)

    def next(self) -> list[tuple[str, Item]]:
        """The next batch, with whom each input belongs to; empty when nothing waits."""
        whose = next(iter(self._waiting), None)
        if whose is None:
            return []
        # To the end of the row.
        own = self._waiting.pop(whose)
        self._waiting[whose] = own
        longest = self._longest_like(own.lengths[-1])
        rows = max(self.budget_tokens // longest, 1)
        shortest = min(longest - _like_tokens(longest), own.lengths[-1])
        batch: list[tuple[str, Item]] = []
        for request_id in (whose, *[each for each in self._waiting if each != whose]):
            most = rows - len(batch)
            if most <= 0:
                break
            waiting = self._waiting[request_id]
            taken = waiting.take(shortest=shortest, longest=longest, most=most)
            batch += [(request_id, item) for item in taken]
            if not waiting.items:
                del self._waiting[request_id]
        return batch

    def _longest_like(self, tokens: int) -> int:
        """The longest of all that wait among those of a length like this one."""
        most = tokens + _like_tokens(tokens)
        return max(each.longest_up_to(most) for each in self._waiting.values())

    def __bool__(self) -> bool:
        return bool(self._waiting)
