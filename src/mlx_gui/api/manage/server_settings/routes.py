"""`/v1/settings`: what holds for the whole server, and changes to it."""

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.present import present_settings
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.server_settings import ServerSettingsBody, ServerSettingsChange

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Server"],
    dependencies=[requires("admin")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)


@router.get("/v1/settings", operation_id="get_settings", summary="Show the settings of the server")
async def get_settings(services: InjectedServices) -> ServerSettingsBody:
    """Every setting, where its value comes from, and what would hold after a restart."""
    return await present_settings(services)


@router.patch(
    "/v1/settings", operation_id="change_settings", summary="Change the settings of the server"
)
async def change_settings(
    change: ServerSettingsChange, services: InjectedServices
) -> ServerSettingsBody:
    """What holds now. All changes are made, or none where one is refused."""
    await services.server.settings.change(
        change.settings, check=services.models.settings_check.of_server
    )
    return await present_settings(services)
