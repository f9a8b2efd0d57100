"""Who changed: the bus carries marks, never state.

A publisher says that an object changed; a subscriber gets each changed object once, however often
it changed meanwhile, and renders its present state itself. So a slow reader costs one mark an
object and always ends with the newest state.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, NamedTuple

Topic = Literal["model", "models", "memory", "manager"]


class Mark(NamedTuple):
    """`key` of `topic` changed; `models` means that the list itself did."""

    topic: Topic
    key: str = ""


class EventBus:
    """Fans marks out to subscribers; everything happens on the event loop."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, topic: Topic, key: str = "") -> None:
        """Mark `key` as changed for every subscriber; never waits."""
        for subscription in self._subscriptions:
            subscription.mark(Mark(topic, key))

    @contextmanager
    def subscribe(self) -> Generator["Subscription"]:
        """A subscription that ends with the block."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


class Subscription:
    """The marks that one reader has not seen yet, oldest first."""

    def __init__(self) -> None:
        self._marks: dict[Mark, None] = {}
        self._arrived = asyncio.Event()

    def mark(self, mark: Mark) -> None:
        self._marks[mark] = None
        self._arrived.set()

    async def next(self) -> list[Mark]:
        """All marks since the last call; waits for the first."""
        await self._arrived.wait()
        marks, self._marks = list(self._marks), {}
        self._arrived.clear()
        return marks
