"""Loading, unloading and asking after one model; searching the folders for new ones."""

import asyncio
import time
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.hangup import first_of, hang_up
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.models.loading import attend, begun, load, load_unattended
from mlx_gui.api.manage.models.translate import load_wishes, unload_result
from mlx_gui.api.present_models import present_model, present_models
from mlx_gui.api.services import Services
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.catalog.names import meant_in_any_reading
from mlx_gui.core.errors import Conflict, InvalidRequest, ModelNotFound, NotReady, WorkerFailed
from mlx_gui.core.model import Model
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.models import (
    BusyModel,
    LoadAccepted,
    LoadRequest,
    LoadResult,
    ModelHealth,
    ModelList,
    UnloadAllResult,
    UnloadResult,
)
from mlx_gui.wire.plan import PlanChangedEnvelope

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Models"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)
_MANAGE = [requires("models:manage")]
_READ = [requires("models:read")]
Force = Annotated[bool, Query(description="End running answers too.")]
When = Annotated[
    Literal["now", "idle"], Query(description="`idle` waits until running answers have finished.")
]


@router.post(
    "/v1/models/rescan",
    operation_id="rescan_models",
    summary="Search the model folders again",
    dependencies=_MANAGE,
)
async def rescan_models(
    services: InjectedServices,
    hidden: Annotated[
        Literal["show", "keep"],
        Query(description="`keep` leaves out models that were removed without their files."),
    ] = "show",
) -> ModelList:
    """All installed models, as found just now, those that were hidden included."""
    library = services.models.library
    return present_models(services, await library.rescan(show_hidden=hidden == "show"))


@router.post(
    "/v1/models/unload-all",
    operation_id="unload_all_models",
    summary="Take every model out of memory",
    dependencies=_MANAGE,
)
async def unload_all_models(
    services: InjectedServices, force: Force = False, when: When = "now"
) -> UnloadAllResult:
    """What came back. A model that answers is left, unless forced or waited for."""
    _check_when(when, force=force)
    models = services.models.run_loop.resident_models()
    ended = await asyncio.gather(
        *(_unload_or_busy(services, model, force=force, when=when) for model in models)
    )
    results = [each for each in ended if isinstance(each, UnloadResult)]
    return UnloadAllResult(
        models=results,
        busy=[each for each in ended if isinstance(each, BusyModel)],
        freed_bytes=sum(result.freed_bytes for result in results),
    )


@router.post(
    "/v1/models/{name:path}/load",
    operation_id="load_model",
    summary="Load a model into memory",
    dependencies=_MANAGE,
    response_model=LoadResult,
    responses={
        202: {"model": LoadAccepted, "description": "The load goes on"},
        409: {"model": PlanChangedEnvelope, "description": "The plan no longer holds"},
    },
)
async def load_model(
    name: str,
    request: Request,
    services: InjectedServices,
    afterwards: BackgroundTasks,
    body: LoadRequest | None = None,
    wait: Annotated[bool, Query(description="Answer when the model is ready.")] = True,
) -> LoadResult | Response:
    """The model, ready to answer. Joins a load that is under way. A body is not needed.

    With a `plan_token`, what no longer holds is refused even where nobody waits.
    """
    model = await services.models.library.find(name)
    wishes = load_wishes(model, body)
    if wait or model.problem is not None:
        # A load that nobody waits for any more is ended, so this must hear of a hang-up.
        outcome = await first_of(load(services, model, wishes), hang_up(request.receive))
        return LoadResult(
            model=present_model(services, model),
            already_loaded=outcome.already_loaded,
            duration_ms=outcome.duration_ms,
        )
    if wishes.plan_token is None:
        afterwards.add_task(load_unattended, services, model, wishes)
    else:
        afterwards.add_task(attend, model, await begun(services, model, wishes))
    return Response(
        LoadAccepted().model_dump_json(), status_code=202, media_type="application/json"
    )


@router.post(
    "/v1/models/{name:path}/unload",
    operation_id="unload_model",
    summary="Take a model out of memory",
    dependencies=_MANAGE,
)
async def unload_model(
    name: str, services: InjectedServices, force: Force = False, when: When = "now"
) -> UnloadResult:
    """What came back. Refused while the model answers, unless forced or waited for."""
    _check_when(when, force=force)
    model = await _installed_or_resident(services, name)
    return await _unload(services, model, force=force, when=when)


@router.get(
    "/v1/models/{name:path}/health",
    operation_id="get_model_health",
    summary="Ask a model whether it is alive",
    dependencies=_READ,
)
async def get_model_health(name: str, services: InjectedServices) -> ModelHealth:
    """Healthy means that the thread which drives MLX has answered just now."""
    model = await services.models.library.find(name)
    ping_ms, reason = await _ping(services, model)
    resident = services.models.run_loop.snapshot().models.get(model.id)
    spec = resident.spec if resident else None
    return ModelHealth(
        model=model.id,
        state=resident.state if resident else "not_loaded",
        healthy=reason is None,
        ping_ms=ping_ms,
        reason=reason,
        weight_form=spec.weight_form if spec else None,
    )


async def _installed_or_resident(services: Services, name: str) -> Model:
    """What was removed from its folder may be in memory still."""
    try:
        return await services.models.library.find(name)
    except ModelNotFound:
        residents = {model.id: model for model in services.models.run_loop.resident_models()}
        found = meant_in_any_reading(name, residents)
        if found is None:
            raise
        return residents[found]


async def _unload_or_busy(
    services: Services, model: Model, *, force: bool, when: When
) -> UnloadResult | BusyModel:
    try:
        return await _unload(services, model, force=force, when=when)
    except Conflict as busy:
        return BusyModel(id=model.id, reason=busy.message)


async def _unload(services: Services, model: Model, *, force: bool, when: When) -> UnloadResult:
    outcome = await services.models.run_loop.unload(model, force=force, when_idle=when == "idle")
    return unload_result(present_model(services, model), outcome)


def _check_when(when: When, *, force: bool) -> None:
    if force and when == "idle":
        raise InvalidRequest(
            "`force` and `when=idle` exclude each other.",
            hint="Leave `force` out to let running answers finish.",
            param="when",
        )


async def _ping(services: Services, model: Model) -> tuple[float | None, str | None]:
    """Milliseconds to the answer, or the reason why there was none."""
    asked_at_s = time.perf_counter()
    try:
        await services.models.run_loop.ping(model.id, services.server.config.health_timeout_s)
    except (NotReady, WorkerFailed) as error:
        return None, error.message
    return round((time.perf_counter() - asked_at_s) * 1000, 2), None
