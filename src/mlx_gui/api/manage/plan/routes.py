"""What a load would do, and what the policy did and why."""

from typing import Annotated

from fastapi import APIRouter, Query

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.plan.translate import decision_list, plan_body, wanted_context
from mlx_gui.api.model_view import display_names
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.plan import DecisionList, PlanBody, PlanRequest

MOST_DECISIONS = 200

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Models"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/models/{name:path}/plan",
    operation_id="plan_model_load",
    summary="Show what loading a model would need, evict and leave",
)
async def plan_model_load(
    name: str, services: InjectedServices, body: PlanRequest | None = None
) -> PlanBody:
    """The plan for this moment; nothing is changed. A body is not needed."""
    model = await services.models.library.find(name)
    context_tokens = wanted_context(model, body.context if body else None)
    await services.machine.device.ensure()
    plan = await services.models.run_loop.plan(model, context_tokens=context_tokens)
    return plan_body(plan, display_names(services.models.library.models()))


@router.get(
    "/v1/manager/decisions",
    operation_id="list_decisions",
    summary="Show what the policy decided, and why",
)
async def list_decisions(
    services: InjectedServices,
    model: Annotated[str | None, Query(description="Only what concerns this model.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=MOST_DECISIONS, description="How many at most.")
    ] = MOST_DECISIONS,
) -> DecisionList:
    """The latest decisions since the server started, newest first."""
    model_id = (await services.models.library.find(model)).id if model is not None else None
    return decision_list(services.models.run_loop.decisions(model_id)[:limit])
