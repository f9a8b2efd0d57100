"""Is the server alive and ready, and what is the state of it and of the machine."""

from fastapi import APIRouter, Response

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.health import health
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.present import present_manager, present_system
from mlx_gui.version import __version__
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.status import HealthStatus, ManagerStatus, SystemStatus

router = APIRouter(
    tags=["Server"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)


@router.get(
    "/health",
    operation_id="get_health",
    summary="Is the server alive",
    response_model=HealthStatus,
)
async def get_health(services: InjectedServices) -> Response:
    """Answers as long as the server does."""
    return health(services)


@router.get(
    "/ready",
    operation_id="get_ready",
    summary="Does the server take requests",
    responses={503: {"model": HealthStatus, "description": "Starting or stopping"}},
)
async def get_ready(services: InjectedServices, response: Response) -> HealthStatus:
    """200 from the end of the start until the stop begins."""
    if services.models.run_loop.snapshot().stopping:
        response.status_code = 503
        return HealthStatus(status="stopping", version=__version__)
    if not services.server.ready():
        response.status_code = 503
        return HealthStatus(status="starting", version=__version__)
    return HealthStatus(status="ok", version=__version__)


@router.get(
    "/v1/system/status", operation_id="get_system_status", summary="Server, machine and versions"
)
async def get_system_status(services: InjectedServices) -> SystemStatus:
    """`device` is null until the machine has been probed."""
    return await present_system(services)


@router.get(
    "/v1/manager/status",
    operation_id="get_manager_status",
    summary="Which models are loaded, and who waits",
)
async def get_manager_status(services: InjectedServices) -> ManagerStatus:
    """The run loop's advisory view."""
    return present_manager(services)
