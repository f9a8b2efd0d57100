"""Load plans and decisions of the policy as JSON, and what may be asked of a load."""

from collections.abc import Iterable, Mapping

from mlx_gui.api.model_view import memory_need, utc_time
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.model import Model
from mlx_gui.core.plan import LoadPlan, PolicyDecision
from mlx_gui.wire.plan import (
    DecisionBody,
    DecisionList,
    EvictionBody,
    KeptBody,
    MemoryAfterBody,
    PlanBody,
)

LEAST_CONTEXT_TOKENS, MOST_CONTEXT_TOKENS = 16, 10_000_000


def plan_body(plan: LoadPlan, names: Mapping[str, str]) -> PlanBody:
    """`plan`, with the display names of models by their ids."""
    return PlanBody(
        model=plan.model_id,
        context=plan.spec.context or 0,
        wanted_context=plan.wanted_context,
        context_because=plan.context_because,
        needs=memory_need(plan.need),
        measured=plan.measured,
        fits=plan.fits,
        reason=plan.reason,
        evict=[
            EvictionBody(
                id=each.model_id,
                name=names.get(each.model_id, each.model_id),
                frees_bytes=each.frees_bytes,
                idle_ms=None if each.idle_s is None else round(each.idle_s * 1000, 1),
                reason=each.reason,
            )
            for each in plan.evict
        ],
        keep=[
            KeptBody(
                id=each.model_id,
                name=names.get(each.model_id, each.model_id),
                reason=each.reason,
            )
            for each in plan.keep
        ],
        budget_bytes=plan.budget_bytes,
        after=MemoryAfterBody(used_bytes=plan.used_after_bytes, free_bytes=plan.free_after_bytes),
        max_context_that_fits=plan.max_context,
        warnings=list(plan.warnings),
        plan_token=plan.token,
    )


def decision_list(decisions: Iterable[PolicyDecision]) -> DecisionList:
    """`decisions` in the order in which they come."""
    return DecisionList(
        decisions=[
            DecisionBody(
                at=utc_time(each.at),
                action=each.action,
                model=each.subject,
                cause=each.cause,
                reason=each.reason,
            )
            for each in decisions
        ]
    )


def wanted_context(model: Model, context: int | None) -> int | None:
    """`context` if `model` can be loaded with it. Raises InvalidRequest with the bounds.

    A setting is for every load and is cut to what a model was made for; what is asked for one load
    is refused instead.
    """
    if context is None:
        return None
    made_for = model.facts.context_length if model.facts is not None else None
    most = min(made_for or MOST_CONTEXT_TOKENS, MOST_CONTEXT_TOKENS)
    if LEAST_CONTEXT_TOKENS <= context <= most:
        return context
    limit = f", for which {model.id} was made" if most == made_for else ""
    raise InvalidRequest(
        f"`context` should be between {LEAST_CONTEXT_TOKENS} and {most} tokens{limit}, "
        f"not {context}.",
        hint="Leave it out to take the setting context_tokens.",
        param="context",
    )
