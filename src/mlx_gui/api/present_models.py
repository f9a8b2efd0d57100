"""Installed models as they are at this very moment, for every family."""

from mlx_gui.api.model_view import model_list, model_object
from mlx_gui.api.services import Services
from mlx_gui.control.plans.plan import longest_context
from mlx_gui.control.residency.views import ResidentView
from mlx_gui.core.model import Model
from mlx_gui.core.setting_row import ModelSettings
from mlx_gui.wire.models import ModelList, ModelObject


def present_model(services: Services, model: Model) -> ModelObject:
    """`model` with its residency."""
    return _shown(services, model, services.models.run_loop.snapshot().models.get(model.id))


def present_models(services: Services, models: tuple[Model, ...]) -> ModelList:
    """`models` with their residency."""
    residents = services.models.run_loop.snapshot().models
    return model_list([_shown(services, model, residents.get(model.id)) for model in models])


def context_tokens(services: Services, model: Model) -> int | None:
    """The context that `model` is loaded with; before that, the longest that it will be.

    None for a folder that is no model.
    """
    resident = services.models.run_loop.snapshot().models.get(model.id)
    return _held_tokens(model, resident, services.models.settings.of(model))


def _shown(services: Services, model: Model, resident: ResidentView | None) -> ModelObject:
    settings = services.models.settings.of(model)
    own = settings.sources["keep_alive_s"] == "model"
    return model_object(
        model,
        resident,
        context_tokens=_held_tokens(model, resident, settings),
        aliases=services.models.aliases.of(model.id),
        pinned=settings.pinned,
        keep_alive_s=settings.keep_alive_s if own else None,
    )


def _held_tokens(
    model: Model, resident: ResidentView | None, settings: ModelSettings
) -> int | None:
    if resident is not None and resident.spec is not None:
        return resident.spec.context
    return longest_context(model, settings)
