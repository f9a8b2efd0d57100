"""Who changed: the bus carries marks, never state.

A publisher says that an object changed; a subscriber gets each changed object once, however often
it changed meanwhile, and renders its present state itself. So a slow reader costs one mark an
object and always ends with the newest state. Of a sequence, such as records, the mark says that
there is more of it; whoever follows asks for what comes after the last that it knows.
"""

import asyncio
from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Literal, NamedTuple

Topic = Literal[
    "models",
    "memory",
    "manager",
    "system",
    "settings",
    "requests",
    "jobs",
    "downloads",
    "logs",
    "metrics",
    "notices",
]


class Mark(NamedTuple):
    """`key` of `topic` changed; without a key the whole, such as the list of models."""

    topic: Topic
    key: str = ""


class EventBus:
    """Fans marks out to subscribers; everything happens on the event loop."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, topic: Topic, key: str = "") -> None:
        """Mark `key` as changed for every subscriber of `topic`; never waits."""
        mark = Mark(topic, key)
        for subscription in self._subscriptions:
            if topic in subscription.topics:
                subscription.mark(mark)

    @contextmanager
    def subscribe(self, topics: Collection[Topic]) -> Generator["Subscription"]:
        """A subscription to `topics` that ends with the block."""
        subscription = Subscription(topics)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


class Subscription:
    """The marks that one reader has not seen yet, oldest first."""

    def __init__(self, topics: Collection[Topic]) -> None:
        self.topics = frozenset(topics)
        self._marks: dict[Mark, None] = {}
        self._arrived = asyncio.Event()

    def mark(self, mark: Mark) -> None:
        """Have the reader look at that object once more."""
        self._marks[mark] = None
        self._arrived.set()

    async def next(self) -> list[Mark]:
        """All marks since the last call; waits for the first."""
        await self._arrived.wait()
        marks, self._marks = list(self._marks), {}
        self._arrived.clear()
        return marks
