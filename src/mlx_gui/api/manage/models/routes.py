"""Loading, unloading and asking after one model; searching the folders for new ones."""

import time
from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Query, Response

from mlx_gui.api.auth import requires
from mlx_gui.api.manage.present import present_model
from mlx_gui.api.model_view import model_list
from mlx_gui.api.services import InjectedServices, Services
from mlx_gui.core.errors import MlxGuiError, NotReady, WorkerFailed
from mlx_gui.core.model import Model
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.models import (
    LoadAccepted,
    LoadResult,
    ModelHealth,
    ModelList,
    UnloadResult,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
router = APIRouter(
    tags=["Models"], responses={"4XX": {"model": ErrorEnvelope}, "5XX": {"model": ErrorEnvelope}}
)
_MANAGE = [requires("models:manage")]
_READ = [requires("models:read")]


@router.post(
    "/v1/models/rescan",
    operation_id="rescan_models",
    summary="Search the model folders again",
    dependencies=_MANAGE,
)
async def rescan_models(services: InjectedServices) -> ModelList:
    """All installed models, as found just now."""
    return model_list(await services.library.rescan(), services.run_loop.snapshot())


@router.post(
    "/v1/models/{name:path}/load",
    operation_id="load_model",
    summary="Load a model into memory",
    dependencies=_MANAGE,
    response_model=LoadResult,
    responses={202: {"model": LoadAccepted, "description": "The load goes on"}},
)
async def load_model(
    name: str,
    services: InjectedServices,
    afterwards: BackgroundTasks,
    wait: Annotated[bool, Query(description="Answer when the model is ready.")] = True,
) -> LoadResult | Response:
    """The model, ready to answer. Joins a load that is under way."""
    model = await services.library.find(name)
    if not wait and model.problem is None:
        afterwards.add_task(_load_unattended, services, model)
        return Response(
            LoadAccepted().model_dump_json(), status_code=202, media_type="application/json"
        )
    await services.device.ensure()
    outcome = await services.run_loop.load(model)
    return LoadResult(
        model=present_model(services, model),
        already_loaded=outcome.already_loaded,
        duration_ms=outcome.duration_ms,
    )


@router.post(
    "/v1/models/{name:path}/unload",
    operation_id="unload_model",
    summary="Take a model out of memory",
    dependencies=_MANAGE,
)
async def unload_model(
    name: str,
    services: InjectedServices,
    force: Annotated[bool, Query(description="End running answers too.")] = False,
) -> UnloadResult:
    """What came back. Refused while the model answers, unless forced."""
    model = await services.library.find(name)
    outcome = await services.run_loop.unload(model, force=force)
    return UnloadResult(
        model=present_model(services, model),
        was_loaded=outcome.was_loaded,
        freed_bytes=outcome.freed_bytes,
    )


@router.get(
    "/v1/models/{name:path}/health",
    operation_id="get_model_health",
    summary="Ask a model whether it is alive",
    dependencies=_READ,
)
async def get_model_health(name: str, services: InjectedServices) -> ModelHealth:
    """Healthy means that the thread which drives MLX has answered just now."""
    model = await services.library.find(name)
    ping_ms, reason = await _ping(services, model)
    resident = services.run_loop.snapshot().models.get(model.id)
    spec = resident.spec if resident else None
    return ModelHealth(
        model=model.id,
        state=resident.state if resident else "not_loaded",
        healthy=reason is None,
        ping_ms=ping_ms,
        reason=reason,
        weight_form=spec.weight_form if spec else None,
    )


async def _load_unattended(services: Services, model: Model) -> None:
    """Whoever asked looks at the model's state, which also carries the error."""
    try:
        await services.device.ensure()
        await services.run_loop.load(model)
    except MlxGuiError as error:
        log.warning("load_failed", model=model.id, code=error.code, reason=error.message)


async def _ping(services: Services, model: Model) -> tuple[float | None, str | None]:
    """Milliseconds to the answer, or the reason why there was none."""
    asked_at_s = time.perf_counter()
    try:
        await services.run_loop.ping(model.id, services.config.health_timeout_s)
    except (NotReady, WorkerFailed) as error:
        return None, error.message
    return round((time.perf_counter() - asked_at_s) * 1000, 2), None
