"""What a model had that left to make room, so that it can come back the same."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mlx_gui.control.plans.wish import Wish


@dataclass(frozen=True, slots=True)
class Departure:
    """A model that was evicted. `cause` is the model for whose sake, None where nobody wanted room.

    `client` is what the client calls itself whose request wanted it, empty where a load was asked
    for by hand. `wish` and `keep_alive_s` are what the worker was loaded with and kept for.
    """

    model_id: str
    reason: str
    cause: str | None = None
    client: str = ""
    wish: Wish = field(default_factory=Wish)
    keep_alive_s: float | None = None


OnDeparture = Callable[[Departure], None]
"""Hears of each eviction as it begins; called on the event loop, must not block."""


def untold(departure: Departure) -> None:
    """What hears of it where nobody is told."""
