"""`/v1/models/{name}/settings`: what holds for one model, and changes to it."""

from functools import partial

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.model_settings.translate import settings_body
from mlx_gui.api.services import Services
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.model import Model
from mlx_gui.model_settings import checked
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.model_settings import ModelSettingsBody, ModelSettingsChange

router = APIRouter(
    route_class=StrictJsonRoute, tags=["Models"], responses=errors_as(ErrorEnvelope, "4XX")
)


@router.get(
    "/v1/models/{name:path}/settings",
    operation_id="get_model_settings",
    summary="Show the settings of one model",
    dependencies=[requires("models:read")],
)
async def get_model_settings(name: str, services: InjectedServices) -> ModelSettingsBody:
    """Every setting, set or not."""
    return _shown(services, await services.models.library.find(name))


@router.patch(
    "/v1/models/{name:path}/settings",
    operation_id="change_model_settings",
    summary="Change the settings of one model",
    dependencies=[requires("models:manage")],
)
async def change_model_settings(
    name: str, change: ModelSettingsChange, services: InjectedServices
) -> ModelSettingsBody:
    """What holds now. All changes are made, or none where one is refused."""
    model = await services.models.library.find(name)
    changes = checked(change.settings)
    check = partial(services.models.settings_check.of_model, model, changes)
    await services.models.settings.change(model, changes, check=check)
    services.models.run_loop.settings_changed()
    services.bus.publish("models", model.id)
    return _shown(services, model)


def _shown(services: Services, model: Model) -> ModelSettingsBody:
    return settings_body(
        model.id,
        services.models.settings.of(model),
        services.server.config,
        reload_pending=services.models.run_loop.reload_pending(model),
    )
