"""What the discovery of models needs of a server's other parts."""

from collections.abc import Iterable, Mapping

from mlx_gui.api.services import Services
from mlx_gui.catalog.discovery import Discovery
from mlx_gui.catalog.hub_found import Fitting, Room
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.model import Model

_CONTEXTS = (4096, 32_768)


def discovery(services: Services) -> Discovery:
    """A search of the hub, for what this machine can serve now."""
    facts = services.machine.device.facts
    supported = {} if facts is None else facts.model_types
    return Discovery(services.models.hub, supported=supported, room=room(services))


def room(services: Services) -> Room | None:
    """What models may use; None until the device is known."""
    facts = services.machine.device.facts
    if facts is None:
        return None
    budget = services.machine.budget.of(services.machine.sampler.latest, 0)
    residents = services.models.run_loop.snapshot().models.values()
    held_bytes = sum(
        view.need.total_bytes
        for view in residents
        if view.need is not None and view.state in ("loading", "ready", "busy", "unloading")
    )
    return Room(facts.backend, budget.static_bytes, max(budget.static_bytes - held_bytes, 0))


def installed_states(services: Services) -> Mapping[str, str]:
    """The states of the installed models by id; `installing` of those that a job brings."""
    residents = services.models.run_loop.snapshot().models
    present = {
        model.id: residents[model.id].state if model.id in residents else "not_loaded"
        for model in services.models.library.models()
    }
    return {**dict.fromkeys(services.jobs.installing(), "installing"), **present}


async def planned_fits(
    services: Services, model: Model | None, known: Fitting
) -> tuple[Fitting, list[Fitting]]:
    """How `model` would fit as it would be loaded, and with three contexts.

    What is `known` without a plan, where none can be made.
    """
    room_now = room(services)
    if model is None or model.facts is None or room_now is None:
        return known, []
    try:
        usual = await _planned(services, model, None)
        return usual, [
            await _planned(services, model, context)
            for context in _three(model.facts.context_length or _CONTEXTS[-1])
        ]
    except MlxGuiError:
        return known, []


async def _planned(services: Services, model: Model, context: int | None) -> Fitting:
    plan = await services.models.run_loop.plan(model, context_tokens=context)
    if context is not None and (plan.spec.context or 0) < context:
        return Fitting("no", None, context)
    return Fitting(plan.fits, plan.need.total_bytes, plan.spec.context)


def _three(longest: int) -> Iterable[int]:
    """The usual contexts and the longest; of a model that was made for little, parts of that."""
    usual = [each for each in _CONTEXTS if each < longest]
    if len(usual) == len(_CONTEXTS):
        return (*usual, longest)
    return sorted({max(longest // 4, 16), max(longest // 2, 16), max(longest, 16)})
