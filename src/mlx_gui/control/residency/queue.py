"""Who is next among the requests that wait for one model.

The highest priority first; within it tenants take turns, and the requests of one tenant keep their
order. Its wait raises the priority of a request, and of no other, so that nobody waits for ever
behind more important ones.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Generic, Protocol, TypeVar

from mlx_gui.core.ask import Ask

AGING_S = 30.0
"""A request that has waited so long counts as one priority higher, and so on."""


class Waiting(Protocol):
    """What the queue must know of a request; `enqueued_s` is the event loop's time."""

    ask: Ask
    enqueued_s: float


Item = TypeVar("Item", bound=Waiting)


class FairQueue(Generic[Item]):
    """The waiting requests of one model."""

    def __init__(self) -> None:
        # By priority, then by tenant in the order of their turns; no empty member at any level.
        self._turns: dict[int, dict[str, deque[Item]]] = {}
        self._items: dict[str, Item] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        """In the order in which they came."""
        return iter(self._items.values())

    def __contains__(self, item: Item) -> bool:
        return self._items.get(item.ask.id) is item

    def push(self, item: Item) -> None:
        """Add a request behind its tenant's others."""
        tenants = self._turns.setdefault(item.ask.priority, {})
        tenants.setdefault(item.ask.tenant, deque()).append(item)
        self._items[item.ask.id] = item

    def put_back(self, item: Item) -> None:
        """Add a request that was taken, at the place that its time gives it, before its equals."""
        tenants = self._turns.setdefault(item.ask.priority, {})
        waiting = tenants.pop(item.ask.tenant, deque())
        line = sorted((item, *waiting), key=lambda each: each.enqueued_s)
        self._turns[item.ask.priority] = {item.ask.tenant: deque(line), **tenants}
        everybody = (item, *self)
        self._items = {
            each.ask.id: each for each in sorted(everybody, key=lambda each: each.enqueued_s)
        }

    def find(self, answer_id: str) -> Item | None:
        """The request with this id, if it waits here."""
        return self._items.get(answer_id)

    def take(self, item: Item) -> None:
        """Remove a request whose turn has come: its tenant's next turn is after the others'."""
        tenants = self._turns[item.ask.priority]
        waiting = tenants.pop(item.ask.tenant)
        waiting.remove(item)
        if waiting:
            tenants[item.ask.tenant] = waiting
        self._forget(item)

    def remove(self, item: Item) -> None:
        """Remove a request that waits no more; its tenant's turn is not touched."""
        tenants = self._turns[item.ask.priority]
        tenants[item.ask.tenant].remove(item)
        if not tenants[item.ask.tenant]:
            del tenants[item.ask.tenant]
        self._forget(item)

    def clear(self) -> list[Item]:
        """Remove all; returns them in the order in which they came."""
        items = list(self)
        self._turns.clear()
        self._items.clear()
        return items

    def full_for(self, tenant: str, bound: int) -> bool:
        """Whether `tenant` may add no more: `bound` wait, and it has its share of them already.

        So one tenant that fills the queue does not shut out the others.
        """
        if len(self) < bound:
            return False
        tenants = {tenant, *(each for level in self._turns.values() for each in level)}
        own = sum(len(level.get(tenant, ())) for level in self._turns.values())
        return own >= bound // len(tenants)

    def in_order(self, now_s: float) -> Iterator[Item]:
        """All requests in the order in which they would be served if no other came."""
        turns = count()
        heads: list[tuple[float, int, int, Item, Iterator[Item]]] = []

        def stand(priority: int, line: Iterator[Item]) -> None:
            """The next of a line, behind whoever is as urgent and stands already."""
            for item in line:
                rank = priority + max(now_s - item.enqueued_s, 0) // AGING_S
                heapq.heappush(heads, (-rank, -priority, next(turns), item, line))
                break

        for priority, tenants in self._turns.items():
            for waiting in tenants.values():
                stand(priority, iter(waiting))
        while heads:
            _, lowered, _, item, line = heapq.heappop(heads)
            yield item
            stand(-lowered, line)

    def oldest_s(self) -> float | None:
        """Since when the longest waiting request waits."""
        return next((item.enqueued_s for item in self), None)

    def highest_priority(self) -> int:
        """The highest priority among those that wait; 0 when nobody does."""
        return max(self._turns, default=0)

    def _forget(self, item: Item) -> None:
        del self._items[item.ask.id]
        if not self._turns[item.ask.priority]:
            del self._turns[item.ask.priority]
