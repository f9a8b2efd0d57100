"""The JSON of load plans, and of what the policy decided."""

from pydantic import BaseModel, ConfigDict

from mlx_gui.core.plan import Fit, PolicyAction
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.models import MemoryNeedBody


class PlanRequest(BaseModel):
    """What the plan is for. `context` is from 16 tokens to what the model was made for."""

    model_config = ConfigDict(strict=True)

    context: int | None = None


class EvictionBody(BaseModel):
    """A model that would leave; `idle_ms` is null while it answers."""

    id: str
    name: str
    frees_bytes: int
    idle_ms: float | None
    reason: str


class KeptBody(BaseModel):
    """A model that would stay, and why."""

    id: str
    name: str
    reason: str


class MemoryAfterBody(BaseModel):
    """The budget after the load: what all models would use of it, and what is left."""

    used_bytes: int
    free_bytes: int


class PlanBody(BaseModel):
    """What loading a model would do. Making it has changed nothing.

    `fits` says whether the load would happen: now, after the models of `evict` have left, `tight`,
    which is with less than was wanted, or not at all. `reason` is the sentence for it.
    `context` is what the model would be loaded with, `wanted_context` what was asked for, and
    `context_because` why: who has set it, or what bounds the one that nobody has set.
    `measured` says that the needs were corrected by an earlier load. A load that carries
    `plan_token` happens only if `fits` and the evictions are still the same.
    """

    model: str
    context: int
    wanted_context: int
    context_because: str
    needs: MemoryNeedBody
    measured: bool
    fits: Fit
    reason: str
    evict: list[EvictionBody]
    keep: list[KeptBody]
    budget_bytes: int
    after: MemoryAfterBody
    max_context_that_fits: int
    warnings: list[str]
    plan_token: str


class PlanChangedEnvelope(ErrorEnvelope):
    """What a load answers whose plan no longer holds: the error, and the plan that does."""

    plan: PlanBody


class DecisionBody(BaseModel):
    """One thing that the policy did to `model`, for the sake of `cause` if that is another."""

    at: str
    action: PolicyAction
    model: str
    cause: str | None
    reason: str


class DecisionList(BaseModel):
    """The latest decisions, newest first."""

    decisions: list[DecisionBody]
