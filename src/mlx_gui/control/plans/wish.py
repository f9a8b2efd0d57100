"""What the run loop asks about a model that it may load."""

from dataclasses import dataclass
from typing import Protocol

from mlx_gui.control.plans.plan import Plan
from mlx_gui.core.model import Model
from mlx_gui.core.setting_row import ModelSettings
from mlx_gui.kinds.base import Footprint


@dataclass(frozen=True, slots=True)
class Wish:
    """What a load is to be like, other than the settings say; None leaves it to them.

    `room_tokens` is the least context where the settings leave it to us: a prompt needs it.
    """

    context_tokens: int | None = None
    footprint: Footprint = "full"
    room_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a model stands among the others; a change of it needs no load."""

    pinned: bool = False
    priority: int = 0
    keep_alive_s: float | None = None
    """None leaves it to the server's setting."""


class Planner(Protocol):
    """What the run loop asks about models that it may load."""

    def plan(self, model: Model, wish: Wish, /, settings: ModelSettings | None = None) -> Plan:
        """What a load takes, with other `settings` than hold if those are given.

        Raises ModelUnsupported, ModelTooLarge or NotReady.
        """
        ...

    def holds(self, model: Model, wish: Wish, plan: Plan, /) -> bool:
        """Whether `plan` would be made again; what was measured since does not count.

        True where none can be made now: what is there serves all the same.
        """
        ...

    def standing(self, model: Model, /) -> Standing: ...

    def largest_context(self, model: Model, room_bytes: int, /) -> int:
        """The longest context with which the model takes no more than that; 0 if none does."""
        ...
