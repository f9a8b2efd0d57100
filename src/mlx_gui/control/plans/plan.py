"""From an installed model, its settings and the machine to exactly what would be resident."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mlx_gui.config import Config
from mlx_gui.control.plans.measurements import corrected
from mlx_gui.core.capabilities import facts_to_serve
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.errors import InvalidRequest, ModelNotFound, ModelTooLarge, ModelUnsupported
from mlx_gui.core.model import LoadSpec, MemoryNeed, Model
from mlx_gui.core.setting_row import ModelSettings
from mlx_gui.core.units import format_bytes
from mlx_gui.kinds import text_plan
from mlx_gui.kinds.base import Footprint, LoadAsked
from mlx_gui.kinds.registry import engine_of, kind_of
from mlx_gui.kinds.transcription_facts import DETECTOR_TYPES
from mlx_gui.store.measurements import Measurement

Measured = Callable[[LoadSpec], Measurement | None]
"""What a worker of the same key was measured to take."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load makes resident, and the memory it needs.

    `wanted_context` was asked for, by the settings or for this load; the spec's may be shorter.
    `context_because` says why it is that; `auto` that nobody has set it.
    `measured` says that an earlier load has corrected the need.
    """

    spec: LoadSpec
    need: MemoryNeed
    wanted_context: int = 0
    measured: bool = False
    auto: bool = False
    context_because: str = ""
    origin: object = field(default=None, compare=False, repr=False)
    """What it followed from: the planner's own."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a plan is made for."""

    device: DeviceFacts
    budget_bytes: int


def plan_load(
    model: Model,
    machine: Machine,
    config: Config,
    *,
    settings: ModelSettings,
    draft: Model | None = None,
    detector: Model | None = None,
    measured: Measured | None = None,
    context_tokens: int | None = None,
    footprint: Footprint = "full",
    room_tokens: int = 0,
) -> Plan:
    """The plan for `model` on `machine`; `context_tokens` stands in for the setting, this once.

    Where nobody has set the context it has `room_tokens` at least, if model and memory allow.
    Raises ModelUnsupported with the model's problem, and ModelTooLarge where the limit that was set
    for the model is too low for it.
    """
    facts = facts_to_serve(model)

    def corrected_need(spec: LoadSpec, need: MemoryNeed) -> MemoryNeed:
        measurement = None if measured is None else measured(spec)
        return need if measurement is None else corrected(need, measurement)

    planned = kind_of(facts.kind).plan(
        LoadAsked(
            model=model,
            facts=facts,
            device=machine.device,
            engine=engine_of(facts.kind, fake=config.engine == "fake"),
            room_bytes=_room_bytes(machine.budget_bytes, settings),
            settings=settings,
            corrected=corrected_need,
            draft=draft,
            detector=detector,
            context_tokens=context_tokens,
            footprint=footprint,
            room_tokens=room_tokens,
        )
    )
    _hold_limit(model, planned.need, settings)
    return Plan(
        planned.spec,
        planned.need,
        planned.wanted_context,
        measured=measured is not None and measured(planned.spec) is not None,
        auto=planned.auto,
        context_because=planned.context_because,
    )


def largest_context(
    model: Model,
    machine: Machine,
    config: Config,
    *,
    settings: ModelSettings,
    draft: Model | None = None,
    room_bytes: int,
    measured: Measured | None = None,
) -> int:
    """The longest context, up to the model's own, whose plan fits into `room_bytes`; 0 if none."""
    text = facts_to_serve(model).text
    if text is None:
        return 0

    def fits(steps: int) -> bool:
        wanted = steps * text_plan.CONTEXT_STEP_TOKENS
        try:
            plan = plan_load(
                model,
                machine,
                config,
                settings=settings,
                draft=draft,
                measured=measured,
                context_tokens=wanted,
            )
        except ModelTooLarge:
            return False
        needed_bytes = max(plan.need.total_bytes, plan.need.load_peak_bytes)
        return plan.spec.context == plan.wanted_context and needed_bytes <= room_bytes

    longest = text.context_length or text_plan.longest_context(text, settings)
    steps = text_plan.most_that_fits(-(-longest // text_plan.CONTEXT_STEP_TOKENS), fits)
    return min(steps * text_plan.CONTEXT_STEP_TOKENS, longest)


def longest_context(model: Model, settings: ModelSettings) -> int | None:
    """The longest context that `model` is loaded with, wherever memory allows that.

    None for a folder that is no model, and for a kind that knows no context.
    """
    if model.facts is None or model.facts.text is None:
        return None
    return text_plan.longest_context(model.facts.text, settings)


def find_draft(model: Model, name: str | None, find: Callable[[str], Model]) -> Model | None:
    """The model `name` that drafts for `model`. Raises ModelUnsupported where it cannot."""
    if name is None:
        return None
    try:
        draft = find(name)
    except (ModelNotFound, InvalidRequest) as error:
        raise _no_draft(model, f"{error.message} {error.hint}".strip()) from None
    if draft.adapter is not None:
        raise _no_draft(model, f"{draft.id} has an adapter, which a draft model cannot have.")
    texts = [facts_to_serve(each).text for each in (model, draft)]
    sizes = [text and text.vocabulary_size for text in texts]
    if None in texts:
        raise _no_draft(model, "Only a text model can draft, and only for another one.")
    if None not in sizes and sizes[0] != sizes[1]:
        raise _no_draft(
            model, f"{model.id} has a vocabulary of {sizes[0]}, {draft.id} one of {sizes[1]}."
        )
    return draft


def find_detector(model: Model, installed: Iterable[Model]) -> Model | None:
    """What tells speech from other sound for `model`; None where it hears nothing, or none is
    there."""
    if model.facts is None or model.facts.kind != "transcription":
        return None
    return next((each for each in installed if _detects(each)), None)


def _detects(model: Model) -> bool:
    return not model.away and model.facts is not None and model.facts.model_type in DETECTOR_TYPES


def _no_draft(model: Model, reason: str) -> ModelUnsupported:
    return ModelUnsupported(
        f"The draft model of {model.id} cannot be used: {reason}",
        hint=f"Choose another, or none: mlx-gui settings {model.id} --reset draft_model",
        details={"model": model.id, "param": "settings.draft_model"},
    )


def _room_bytes(budget_bytes: int, settings: ModelSettings) -> int:
    """What the model may take of the budget."""
    return min(budget_bytes, settings.memory_limit_bytes or budget_bytes)


def _hold_limit(model: Model, need: MemoryNeed, settings: ModelSettings) -> None:
    limit_bytes = settings.memory_limit_bytes
    wanted_bytes = max(need.total_bytes, need.load_peak_bytes)
    if not limit_bytes or wanted_bytes <= limit_bytes:
        return
    raise ModelTooLarge(
        f"{model.id} needs {format_bytes(wanted_bytes)}, its memory_limit_bytes allows "
        f"{format_bytes(limit_bytes)}.",
        hint=f"Raise it, or remove it: mlx-gui settings {model.id} --reset memory_limit_bytes",
        details={
            "needed_bytes": wanted_bytes,
            "limit_bytes": limit_bytes,
            "param": "settings.memory_limit_bytes",
        },
    )
