"""A load plan: what a load would need, evict and leave behind, told before anything is done."""

from typing import Literal

import msgspec

from mlx_gui.core.model import LoadSpec, MemoryNeed

Fit = Literal["yes", "after_eviction", "tight", "no"]
"""Whether a load fits: now, after others have left, with less than was wanted, or not at all."""

PolicyAction = Literal[
    "load", "evict", "expire", "unload", "drain", "wait", "refuse", "reload", "recycle", "shrink"
]
"""What the policy does: `drain` lets a model finish its answers, `shrink` takes its caches."""


class Eviction(msgspec.Struct, frozen=True):
    """A model that would leave. `idle_s` is the time since its last use, None while it answers."""

    model_id: str
    frees_bytes: int
    idle_s: float | None
    reason: str


class Kept(msgspec.Struct, frozen=True):
    """A model that would stay, and why."""

    model_id: str
    reason: str


class LoadPlan(msgspec.Struct, frozen=True):
    """What loading a model would do; nothing was changed by making it.

    `measured` says that the need was corrected by an earlier load of the same spec. `reason` is the
    sentence for what `fits` says, with the numbers. `wanted_context` is what was asked for, and
    `spec.context` what it would be loaded with; `context_because` says why that was wanted.
    `max_context` is the longest that would fit, 0 if
    none does. `used_after_bytes` counts all resident models after the load, within `budget_bytes`.
    `token` stands for `fits` and the evictions: a load that carries it happens only if they are
    still the same.
    """

    model_id: str
    spec: LoadSpec
    need: MemoryNeed
    measured: bool
    fits: Fit
    reason: str
    evict: tuple[Eviction, ...]
    keep: tuple[Kept, ...]
    budget_bytes: int
    used_after_bytes: int
    wanted_context: int
    context_because: str
    max_context: int
    warnings: tuple[str, ...]
    token: str

    @property
    def free_after_bytes(self) -> int:
        return self.budget_bytes - self.used_after_bytes


class PolicyDecision(msgspec.Struct, frozen=True):
    """One thing that the policy decided, and why; `at` is Unix time.

    `subject` is the model that it happened to, `cause` the model for whose sake, if another.
    """

    at: float
    action: PolicyAction
    subject: str
    cause: str | None
    reason: str
