"""Who is next among the requests that wait for one model.

The highest priority first; within it tenants take turns, and the requests of one tenant keep their
order. A wait raises the priority, so that nobody waits for ever behind more important ones.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

AGING_S = 30.0
"""A request that has waited so long counts as one priority higher, and so on."""


class Waiting(Protocol):
    """What the queue must know of a request; `enqueued_s` is the event loop's time."""

    request_id: str
    enqueued_s: float
    tenant: str
    priority: int


Item = TypeVar("Item", bound=Waiting)


class FairQueue(Generic[Item]):
    """The waiting requests of one model. `changed` says that places may have moved."""

    def __init__(self) -> None:
        # By priority, then by tenant in the order of their turns; no empty member at any level.
        self._turns: dict[int, dict[str, deque[Item]]] = {}
        self._items: dict[str, Item] = {}
        self.changed = False

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        """In the order in which they came."""
        return iter(self._items.values())

    def __contains__(self, item: Item) -> bool:
        return self._items.get(item.request_id) is item

    def push(self, item: Item) -> None:
        """Add a request behind its tenant's others."""
        tenants = self._turns.setdefault(item.priority, {})
        tenants.setdefault(item.tenant, deque()).append(item)
        self._items[item.request_id] = item
        self.changed = True

    def put_back(self, item: Item) -> None:
        """Add a request that was taken, at the place that its time gives it."""
        tenants = self._turns.setdefault(item.priority, {})
        waiting = tenants.pop(item.tenant, deque())
        line = sorted((*waiting, item), key=lambda each: each.enqueued_s)
        self._turns[item.priority] = {item.tenant: deque(line), **tenants}
        everybody = (*self, item)
        self._items = {
            each.request_id: each for each in sorted(everybody, key=lambda each: each.enqueued_s)
        }
        self.changed = True

    def find(self, request_id: str) -> Item | None:
        """The request with this id, if it waits here."""
        return self._items.get(request_id)

    def head(self, now_s: float) -> Item | None:
        """Who is next; None when nobody waits."""
        return next(self.in_order(now_s), None)

    def take(self, item: Item) -> None:
        """Remove a request whose turn has come: its tenant's next turn is after the others'."""
        tenants = self._turns[item.priority]
        waiting = tenants.pop(item.tenant)
        waiting.remove(item)
        if waiting:
            tenants[item.tenant] = waiting
        self._forget(item)

    def remove(self, item: Item) -> None:
        """Remove a request that waits no more; its tenant's turn is not touched."""
        tenants = self._turns[item.priority]
        tenants[item.tenant].remove(item)
        if not tenants[item.tenant]:
            del tenants[item.tenant]
        self._forget(item)

    def clear(self) -> list[Item]:
        """Remove all; returns them in the order in which they came."""
        items = list(self)
        self._turns.clear()
        self._items.clear()
        self.changed = True
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
        levels: list[tuple[float, int]] = []
        for priority, tenants in self._turns.items():
            oldest_s = min(waiting[0].enqueued_s for waiting in tenants.values())
            levels.append((priority + max(now_s - oldest_s, 0) // AGING_S, priority))
        for _, priority in sorted(levels, reverse=True):
            yield from _round_robin(self._turns[priority])

    def oldest_s(self) -> float | None:
        """Since when the longest waiting request waits."""
        return next((item.enqueued_s for item in self), None)

    def highest_priority(self) -> int:
        """The highest priority among those that wait; 0 when nobody does."""
        return max(self._turns, default=0)

    def _forget(self, item: Item) -> None:
        del self._items[item.request_id]
        if not self._turns[item.priority]:
            del self._turns[item.priority]
        self.changed = True


def _round_robin(tenants: dict[str, deque[Item]]) -> Iterator[Item]:
    """One of each tenant, then the second of each, and so on."""
    lines = [iter(waiting) for waiting in tenants.values()]
    while lines:
        left: list[Iterator[Item]] = []
        for line in lines:
            for item in line:
                yield item
                left.append(line)
                break
        lines = left
