"""What a load would do, in words: the policy's own choice, explained before it is made."""

import hashlib
from collections.abc import Sequence

from mlx_gui.control.plans.plan import Plan
from mlx_gui.control.residency.policy import (
    Limits,
    Resident,
    Room,
    Wanted,
    choose,
    evictable,
    leaver,
    pinned_of,
    refusal,
    stays_because,
)
from mlx_gui.core.errors import Conflict, InvalidRequest, PlanChanged
from mlx_gui.core.plan import Eviction, Fit, Kept, LoadPlan
from mlx_gui.core.units import format_bytes

_COMFORTABLE_SHARE = 0.85
"""A model that takes more than this of the budget leaves little for anything else."""


def explain(
    plan: Plan,
    residents: Sequence[Resident],
    *,
    limits: Limits,
    now_s: float,
    max_context: int,
    boot_id: str,
) -> LoadPlan:
    """What loading `plan` now would need, evict and leave."""
    model_id = plan.spec.model_id
    own = next((each for each in residents if each.model_id == model_id), None)
    others = [each for each in residents if each is not own and each.state != "leaving"]
    wanted = Wanted(model_id, plan.need)
    error = refusal(wanted, pinned_of(others), limits)
    victims = choose(wanted.room_bytes, Room.of(others), evictable(others), limits)
    if error is not None or victims is None:
        victims = []
    staying = [each for each in others if each not in victims]
    after = Room.of(staying).with_one(0 if error is not None else plan.need.total_bytes)
    fits, reason = _judged(plan, victims, limits, error.message if error is not None else None)
    evict = tuple(_eviction(each, now_s) for each in victims)
    return LoadPlan(
        model_id=model_id,
        spec=plan.spec,
        need=plan.need,
        measured=plan.measured,
        fits=fits,
        reason=reason,
        evict=evict,
        keep=tuple(Kept(each.model_id, stays_because(each)) for each in staying),
        budget_bytes=limits.budget_bytes,
        used_after_bytes=after.held_bytes,
        wanted_context=plan.wanted_context,
        context_because=plan.context_because,
        max_context=max_context,
        warnings=_warnings(plan, own, victims, limits),
        token=_token(boot_id, plan, fits, evict),
    )


def check_token(token: str, now: LoadPlan) -> None:
    """Raise unless `token` is that of the plan as it is `now`.

    Raises PlanChanged with that plan, Conflict for a token of an earlier run of the server, and
    InvalidRequest for one of another model or of nothing.
    """
    told, present = token.split("."), now.token.split(".")
    if len(told) != len(present):
        raise InvalidRequest(
            "The plan token is not one that a plan has.",
            hint="Ask for a plan, and send its plan_token as it is.",
            param="plan_token",
        )
    if told[0] != present[0]:
        raise Conflict(
            "The plan token is of an earlier run of the server.", hint="Ask for a new plan."
        )
    if told[1] != present[1]:
        raise InvalidRequest(
            f"The plan token is of another model or context, not of {now.model_id} with "
            f"{now.wanted_context} tokens.",
            hint="Send the token with the model and the context that it was made for.",
            param="plan_token",
        )
    if told != present:
        raise PlanChanged(
            f"The plan for {now.model_id} has changed: {now.reason}",
            hint="Look at the new plan, and load with its plan_token.",
            plan=now,
        )


def _judged(
    plan: Plan, victims: Sequence[Resident], limits: Limits, problem: str | None
) -> tuple[Fit, str]:
    needs = f"{plan.spec.model_id} needs {format_bytes(plan.need.total_bytes)}"
    of_budget = f"of {format_bytes(limits.budget_bytes)}"
    if problem is not None:
        return "no", problem
    if (plan.spec.context or 0) < plan.wanted_context:
        return "tight", (
            f"{needs} with a context of {plan.spec.context} tokens; {plan.wanted_context} do not "
            "fit."
        )
    if plan.need.total_bytes > _COMFORTABLE_SHARE * limits.budget_bytes:
        return "tight", f"{needs} {of_budget}, which leaves little for anything else."
    if victims:
        names = ", ".join(each.model_id for each in victims)
        return "after_eviction", f"{needs} {of_budget}; {names} must leave first."
    return "yes", f"{needs} {of_budget}."


def _eviction(victim: Resident, now_s: float) -> Eviction:
    idle_s = max(now_s - victim.last_used_s, 0) if victim.idle else None
    return Eviction(victim.model_id, victim.held_bytes, idle_s, leaver(victim, now_s).reason)


def _warnings(
    plan: Plan, own: Resident | None, victims: Sequence[Resident], limits: Limits
) -> tuple[str, ...]:
    warnings: list[str] = []
    if own is not None and own.state != "leaving":
        warnings.append("It is in memory already, and is loaded anew only if it would differ.")
    if any(each.leases or each.queued for each in victims):
        warnings.append("A model that would leave still answers: the load waits for its turn.")
    if limits.budget_bytes < limits.most_bytes:
        missing = format_bytes(limits.most_bytes - limits.budget_bytes)
        warnings.append(f"Other programs hold {missing} that models could have at other times.")
    if plan.need.load_peak_bytes > plan.need.total_bytes:
        peak = format_bytes(plan.need.load_peak_bytes)
        warnings.append(f"While it loads it takes up to {peak}.")
    return tuple(warnings)


def _token(boot_id: str, plan: Plan, fits: Fit, evict: Sequence[Eviction]) -> str:
    """The run of the server, the question, and the answer: each by its own part."""
    question = f"{plan.spec.model_id} {'auto' if plan.auto else plan.wanted_context}"
    answer = " ".join([fits, *(each.model_id for each in evict)])
    return ".".join((boot_id, *(_digest(part) for part in (question, answer))))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
