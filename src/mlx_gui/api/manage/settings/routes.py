"""`/v1/models/{name}/settings`: what holds for one model, and changes to it."""

from contextlib import suppress

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.manage.settings.translate import settings_body
from mlx_gui.api.services import InjectedServices, Services
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.control.pins import check_pins
from mlx_gui.control.planning import find_draft
from mlx_gui.core.errors import ModelUnsupported
from mlx_gui.core.model import Model
from mlx_gui.model_settings import checked
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.model_settings import ModelSettingsBody, ModelSettingsChange

router = APIRouter(
    route_class=StrictJsonRoute, tags=["Models"], responses={"4XX": {"model": ErrorEnvelope}}
)


@router.get(
    "/v1/models/{name:path}/settings",
    operation_id="get_model_settings",
    summary="Show the settings of one model",
    dependencies=[requires("models:read")],
)
async def get_model_settings(name: str, services: InjectedServices) -> ModelSettingsBody:
    """Every setting, set or not."""
    return _shown(services, await services.library.find(name))


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
    model = await services.library.find(name)
    changes = checked(change.settings)
    before = services.model_settings.of(model)
    wanted = services.model_settings.with_changes(model, changes)
    if changes.get("draft_model") is not None:
        find_draft(model, wanted.draft_model, services.library.resolve)
    grows = wanted.context_tokens > before.context_tokens
    if wanted.pinned and (changes.get("pinned") or grows):
        await _check_pin(services, model, wanted.context_tokens)
    await services.model_settings.change(model, changes)
    services.run_loop.settings_changed()
    services.bus.publish("model", model.id)
    return _shown(services, model)


async def _check_pin(services: Services, model: Model, context_tokens: int) -> None:
    """Raises Conflict where `model` with that context does not fit beside other pinned ones."""
    await services.device.ensure()
    plans = [await services.run_loop.plan(model, context_tokens=context_tokens)]
    for other in services.library.models():
        pinned = services.model_settings.of(other).pinned and other.problem is None
        if pinned and other.id != model.id:
            with suppress(ModelUnsupported):  # it is pinned, and will not be there
                plans.append(await services.run_loop.plan(other))
    check_pins(
        model.id,
        {plan.model_id: plan.need.total_bytes for plan in plans},
        budget_bytes=plans[0].budget_bytes,
        max_models=services.config.max_loaded_models,
    )


def _shown(services: Services, model: Model) -> ModelSettingsBody:
    return settings_body(
        model.id,
        services.model_settings.of(model),
        services.config,
        reload_pending=services.run_loop.reload_pending(model),
    )
