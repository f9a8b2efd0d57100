"""What may be said of a load, and what an unload gave back, as JSON."""

from dataclasses import dataclass

from mlx_gui.api.manage.plan.translate import wanted_context
from mlx_gui.api.model_view import memory_returned
from mlx_gui.control.residency.views import UnloadOutcome
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.model import Model
from mlx_gui.wire.models import LoadRequest, ModelObject, UnloadResult

LONGEST_KEEP_ALIVE_S = 10 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class LoadWishes:
    """How a load is wanted; None leaves it to the settings, or is no token."""

    keep_alive_s: float | None = None
    context_tokens: int | None = None
    plan_token: str | None = None


def load_wishes(model: Model, body: LoadRequest | None) -> LoadWishes:
    """What `body` says. Raises InvalidRequest for a value out of bounds."""
    if body is None:
        return LoadWishes()
    keep_alive_s = body.keep_alive_s
    if keep_alive_s is not None and not -1 <= keep_alive_s <= LONGEST_KEEP_ALIVE_S:
        raise InvalidRequest(
            f"`keep_alive_s` should be between -1 and {LONGEST_KEEP_ALIVE_S}, "
            f"not {keep_alive_s:g}.",
            hint="0 unloads at once, -1 never.",
            param="keep_alive_s",
        )
    return LoadWishes(keep_alive_s, wanted_context(model, body.context), body.plan_token)


def unload_result(model: ModelObject, outcome: UnloadOutcome) -> UnloadResult:
    """What came back from `model`."""
    return UnloadResult(
        model=model,
        was_loaded=outcome.was_loaded,
        freed_bytes=outcome.freed_bytes,
        returned=memory_returned(outcome.returned),
    )
