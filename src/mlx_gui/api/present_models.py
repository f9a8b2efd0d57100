"""Installed models as they are at this very moment, for every family."""

from mlx_gui.api.model_view import model_list, model_object
from mlx_gui.api.services import Services
from mlx_gui.control.plans.plan import longest_context
from mlx_gui.control.residency.views import ResidentView
from mlx_gui.core.model import Model
from mlx_gui.wire.models import ModelList, ModelObject


def present_model(services: Services, model: Model) -> ModelObject:
    """`model` with its residency."""
    resident = services.models.run_loop.snapshot().models.get(model.id)
    return model_object(
        model,
        resident,
        context_tokens=_held_tokens(services, model, resident),
        aliases=services.models.aliases.of(model.id),
    )


def present_models(services: Services, models: tuple[Model, ...]) -> ModelList:
    """`models` with their residency."""
    snapshot = services.models.run_loop.snapshot()

    def held_tokens(model: Model) -> int | None:
        return _held_tokens(services, model, snapshot.models.get(model.id))

    return model_list(
        models, snapshot, context_tokens=held_tokens, aliases=services.models.aliases.of
    )


def context_tokens(services: Services, model: Model) -> int | None:
    """The context that `model` is loaded with; before that, the longest that it will be.

    None for a folder that is no model.
    """
    return _held_tokens(services, model, services.models.run_loop.snapshot().models.get(model.id))


def _held_tokens(services: Services, model: Model, resident: ResidentView | None) -> int | None:
    if resident is not None and resident.spec is not None:
        return resident.spec.context
    return longest_context(model, services.models.settings.of(model))
