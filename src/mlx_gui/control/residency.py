"""Which models are in memory: a pure policy over a snapshot.

The simplest one that is fair: load on demand, keep until the keep-alive is over or room is needed,
evict the least recently used idle model first, wait while what must leave is still at work.
"""

from dataclasses import dataclass
from typing import Literal

from mlx_gui.core.errors import ModelTooLarge
from mlx_gui.core.model import MemoryNeed
from mlx_gui.core.units import format_bytes


@dataclass(frozen=True, slots=True)
class Resident:
    """A model that holds memory now. `idle` means ready, without leases and without a queue."""

    model_id: str
    need_bytes: int
    idle: bool
    leaving: bool
    last_used_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What all models may hold together."""

    budget_bytes: int
    max_models: int


@dataclass(frozen=True, slots=True)
class Load:
    """There is room: load now."""

    action: Literal["load"] = "load"


@dataclass(frozen=True, slots=True)
class Evict:
    """These idle models must leave first."""

    model_ids: tuple[str, ...]
    action: Literal["evict"] = "evict"


@dataclass(frozen=True, slots=True)
class Wait:
    """Models at work are in the way, or others are leaving already."""

    action: Literal["wait"] = "wait"


@dataclass(frozen=True, slots=True)
class Refuse:
    """It can never fit."""

    error: ModelTooLarge
    action: Literal["refuse"] = "refuse"


Decision = Load | Evict | Wait | Refuse


def decide(
    model_id: str, need: MemoryNeed, residents: tuple[Resident, ...], limits: Limits
) -> Decision:
    """What to do so that `model_id`, which is not resident, can be loaded."""
    wanted_bytes = max(need.total_bytes, need.load_peak_bytes)
    if wanted_bytes > limits.budget_bytes:
        return Refuse(_too_large(model_id, wanted_bytes, limits.budget_bytes))
    held_bytes = sum(resident.need_bytes for resident in residents)
    count = len(residents)

    def fits() -> bool:
        return count < limits.max_models and held_bytes + wanted_bytes <= limits.budget_bytes

    if fits():
        return Load()
    for resident in residents:
        if resident.leaving:
            held_bytes -= resident.need_bytes
            count -= 1
    victims: list[str] = []
    idle = [resident for resident in residents if resident.idle and not resident.leaving]
    for resident in sorted(idle, key=lambda r: r.last_used_s):
        if fits():
            break
        victims.append(resident.model_id)
        held_bytes -= resident.need_bytes
        count -= 1
    return Evict(tuple(victims)) if victims and fits() else Wait()


def _too_large(model_id: str, wanted_bytes: int, budget_bytes: int) -> ModelTooLarge:
    return ModelTooLarge(
        f"{model_id} needs {format_bytes(wanted_bytes)}, models may use "
        f"{format_bytes(budget_bytes)} on this machine.",
        hint="Use a smaller quantization of it, lower max_context_tokens, or raise "
        "memory_limit_bytes if other programs can spare the memory.",
        details={"needed_bytes": wanted_bytes, "budget_bytes": budget_bytes},
    )
