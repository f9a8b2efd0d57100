"""Whether the pinned models still fit together after a change of settings."""

from collections.abc import Mapping

from mlx_gui.api.services import Services
from mlx_gui.control.pins import check_pins
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.model import Model
from mlx_gui.core.plan import LoadPlan
from mlx_gui.core.settings import ModelSettings, Value
from mlx_gui.model_settings import MODEL_SETTINGS, ModelSetting


async def check_change(
    services: Services, model: Model, changes: Mapping[str, Value | None]
) -> None:
    """Raises Conflict where `changes` to `model` have more pinned than fits.

    A pin is judged when it is made, and again when what is pinned would need more: the model
    itself, or with an adapter. An unloadable model that is pinned holds nothing.
    """
    settings = services.model_settings
    models = (model, *(each for each in services.library.models() if each.id != model.id))
    after = {each.id: settings.after(changes, model=each, changed=model.id) for each in models}
    pinned = [each for each in models if after[each.id].pinned]
    touched = [each for each in pinned if model.id in (each.id, each.base)]
    if not touched or not any(row.name in changes for row in MODEL_SETTINGS if _weighs(row)):
        return
    await services.device.ensure()
    plans: dict[str, LoadPlan] = {}
    for each in touched:
        if not settings.of(each).pinned:
            plans[each.id] = await services.run_loop.plan(each, settings=after[each.id])
        elif (grown := await _grown(services, each, after[each.id])) is not None:
            plans[each.id] = grown
    if not plans:
        return
    judged = next(iter(plans.values()))
    for each in pinned:
        plan = await _planned(services, each, after[each.id])
        if plan is not None:
            plans[each.id] = plan
    check_pins(
        judged.model_id,
        {plan.model_id: plan.need.total_bytes for plan in plans.values()},
        budget_bytes=judged.budget_bytes,
        max_models=services.config.max_loaded_models,
    )


def _weighs(row: ModelSetting) -> bool:
    """Whether a change of it can have more pinned, or what is pinned need more."""
    return row.restart or row.name == "pinned"


async def _grown(services: Services, model: Model, after: ModelSettings) -> LoadPlan | None:
    """The plan with the settings `after`, where it needs more than with those of now."""
    plan = await _planned(services, model, after)
    now = await _planned(services, model, services.model_settings.of(model))
    if plan is None or (now is not None and plan.need.total_bytes <= now.need.total_bytes):
        return None
    return plan


async def _planned(services: Services, model: Model, settings: ModelSettings) -> LoadPlan | None:
    try:
        return await services.run_loop.plan(model, settings=settings)
    except MlxGuiError:
        return None
