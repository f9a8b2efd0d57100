"""Installed models as they are at this very moment, for every family."""

from functools import partial

from mlx_gui.api.model_view import model_list, model_object
from mlx_gui.api.services import Services
from mlx_gui.control.planning import longest_context
from mlx_gui.core.model import Model
from mlx_gui.wire.models import ModelList, ModelObject


def present_model(services: Services, model: Model) -> ModelObject:
    """`model` with its residency."""
    return model_object(
        model,
        services.run_loop.snapshot().models.get(model.id),
        context_tokens=context_tokens(services, model),
    )


def present_models(services: Services, models: tuple[Model, ...]) -> ModelList:
    """`models` with their residency."""
    snapshot = services.run_loop.snapshot()
    return model_list(models, snapshot, context=partial(context_tokens, services))


def context_tokens(services: Services, model: Model) -> int | None:
    """The context that `model` is loaded with; before that, the longest that it will be.

    None for a folder that is no model.
    """
    resident = services.run_loop.snapshot().models.get(model.id)
    if resident is not None and resident.spec is not None:
        return resident.spec.context
    if model.facts is None:
        return None
    return longest_context(model, services.model_settings.of(model))
