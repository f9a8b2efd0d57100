"""From an installed model, its settings and the machine to exactly what would be resident."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from mlx_gui.config import Config
from mlx_gui.control.measured import corrected
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.errors import InvalidRequest, ModelNotFound, ModelTooLarge, ModelUnsupported
from mlx_gui.core.generation import Reasoning, Sampling
from mlx_gui.core.model import (
    LoadSpec,
    MemoryNeed,
    Model,
    ModelFacts,
    TextOptions,
    WeightForm,
)
from mlx_gui.core.settings import ModelSettings
from mlx_gui.core.units import format_bytes
from mlx_gui.kinds.registry import engine_of, kind_of
from mlx_gui.store.measurements import Measurement

_CONTEXT_STEP_TOKENS = 256
_LEAST_CONTEXT_TOKENS = 1024
"""A context is not cut below this: the model is refused with the figures instead."""

_AUTO_CONTEXT_TOKENS = 65_536
"""A context that nobody has set is no longer than this."""

_USUAL_CONTEXT_TOKENS = 8192
"""Nor is it shorter than this, where the model was made for that and it fits."""

_SMALL_CONTEXT_TOKENS = 2048
"""A small footprint halves a context down to this."""

_POOL_SHARE = 8
"""The KV of all slots together may take this part of the budget, where one context takes less.

So may one context that nobody has set: what the pool would take anyway, one prompt may have.
"""

Footprint = Literal["full", "small"]
"""`small` has a pool of one context, no prefix cache, and half of a context above 2048 tokens."""

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
    measured: Measured | None = None,
    context_tokens: int | None = None,
    footprint: Footprint = "full",
    room_tokens: int = 0,
) -> Plan:
    """The plan for `model` on `machine`; `context_tokens` stands in for the setting, this once.

    Where nobody has set the context it is `room_tokens` at least, as far as model and memory allow.
    Raises ModelUnsupported with the model's problem, and ModelTooLarge where the limit that was set
    for the model is too low for it.
    """
    sizing = _Sizing(model, machine, draft, measured)
    room_bytes = _room_bytes(machine.budget_bytes, settings)
    spec = _wanted(model, sizing, config, settings=settings, draft=draft)
    asked = context_tokens or settings.context_tokens
    if asked == "auto":
        wanted_context, because = sizing.auto_context(spec, room_bytes)
        longer = min(sizing.facts.context_length or 0, room_tokens)
        if longer > wanted_context and footprint == "full":
            wanted_context, because = longer, "a prompt needed more than is taken unasked"
    else:
        wanted_context = min(sizing.facts.context_length or asked, asked)
        source = f"set for the {settings.sources['context_tokens']}"
        because = source if context_tokens is None else "asked for this load"
    if footprint == "small" and wanted_context > _SMALL_CONTEXT_TOKENS:
        wanted_context = max(wanted_context // 2, _SMALL_CONTEXT_TOKENS)
        because = "less than usual, after it ran out of memory"
    spec = sizing.fastest_form(_with(spec, context=wanted_context), room_bytes)
    spec = _with(spec, context=sizing.fitting_context(spec, room_bytes) or spec.context)
    one_context_bytes = sizing.need(spec).kv_bytes
    pool_tokens = spec.context
    if footprint == "full":
        pool_tokens = sizing.pool_tokens(spec, room_bytes)
    spec = _with(spec, kv_pool_tokens=pool_tokens)
    if footprint == "full":
        spare_bytes = room_bytes - sizing.need(spec).total_bytes
        prefix_bytes = min(settings.prefix_cache_bytes, 2 * one_context_bytes, spare_bytes)
        spec = _with(spec, prefix_cache_bytes=max(prefix_bytes, 0))
    need = sizing.need(spec)
    _hold_limit(model, need, settings)
    return Plan(
        spec,
        need,
        wanted_context,
        measured=sizing.is_measured(spec),
        auto=asked == "auto",
        context_because=because,
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
    facts = _usable(model)

    def fits(steps: int) -> bool:
        wanted = steps * _CONTEXT_STEP_TOKENS
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

    longest = facts.context_length or longest_context(model, settings)
    steps = _most(-(-longest // _CONTEXT_STEP_TOKENS), fits)
    return min(steps * _CONTEXT_STEP_TOKENS, longest)


def longest_context(model: Model, settings: ModelSettings) -> int:
    """The longest context that `model` is loaded with, wherever memory allows that."""
    made_for = None if model.facts is None else model.facts.context_length
    if settings.context_tokens == "auto":
        return min(made_for or _USUAL_CONTEXT_TOKENS, _AUTO_CONTEXT_TOKENS)
    return min(made_for or settings.context_tokens, settings.context_tokens)


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
    sizes = [_usable(each).vocabulary_size for each in (model, draft)]
    if None not in sizes and sizes[0] != sizes[1]:
        raise _no_draft(
            model, f"{model.id} has a vocabulary of {sizes[0]}, {draft.id} one of {sizes[1]}."
        )
    return draft


class _Sizing:
    """The need of any spec of one model on one machine, and what of it fits."""

    def __init__(
        self, model: Model, machine: Machine, draft: Model | None, measured: Measured | None
    ) -> None:
        self.facts = _usable(model)
        self.kind = kind_of(self.facts.kind)
        self._model = model
        self._machine = machine
        self._draft = None if draft is None else draft.facts
        self._measured = measured

    def need(self, spec: LoadSpec) -> MemoryNeed:
        need = self.kind.need(
            self.facts,
            spec,
            adapter_bytes=self._model.adapter_bytes,
            draft=self._draft,
            backend=self._machine.device.backend,
        )
        measurement = None if self._measured is None else self._measured(spec)
        return need if measurement is None else corrected(need, measurement)

    def is_measured(self, spec: LoadSpec) -> bool:
        return self._measured is not None and self._measured(spec) is not None

    def forms(self) -> tuple[WeightForm, ...]:
        return self.kind.weight_forms(self.facts, self._machine.device)

    def fits(self, spec: LoadSpec, room_bytes: int) -> bool:
        need = self.need(spec)
        return max(need.total_bytes, need.load_peak_bytes) <= room_bytes

    def fastest_form(self, spec: LoadSpec, room_bytes: int) -> LoadSpec:
        """`spec` in the fastest form that fits with all of its context, else in the smallest."""
        for form in self.forms():
            spec = _with(spec, weight_form=form)
            if self.fits(spec, room_bytes):
                break
        return spec

    def auto_context(self, spec: LoadSpec, room_bytes: int) -> tuple[int, str]:
        """The context where nobody has set one, and why it is that.

        What it takes, its KV cache and the work with it, is no more than an eighth of the room.
        """
        made_for = self.facts.context_length
        if made_for is None:
            return _USUAL_CONTEXT_TOKENS, "the model does not say what it was made for"
        least, most = min(made_for, _USUAL_CONTEXT_TOKENS), min(made_for, _AUTO_CONTEXT_TOKENS)
        spec = self.fastest_form(_with(spec, context=least), room_bytes)
        share_bytes = room_bytes // _POOL_SHARE
        usual = self.need(spec)

        def context(steps: int) -> int:
            return min(least + steps * _CONTEXT_STEP_TOKENS, most)

        def fits(steps: int) -> bool:
            longer = _with(spec, context=context(steps))
            more_bytes = self.need(longer).total_bytes - usual.total_bytes
            return usual.kv_bytes + more_bytes <= share_bytes and self.fits(longer, room_bytes)

        chosen = context(_most(-(-(most - least) // _CONTEXT_STEP_TOKENS), fits))
        if chosen == made_for:
            return chosen, "the model was made for no more"
        if chosen == most:
            return chosen, f"more than {most:,} tokens are not taken unasked"
        return chosen, "a longer one would take over an eighth of the budget"

    def fitting_context(self, spec: LoadSpec, room_bytes: int) -> int:
        """The context of `spec`, or as much of it as fits; 0 if that is too little to be of use."""

        def fits(context: int) -> bool:
            return self.fits(_with(spec, context=context), room_bytes)

        if fits(spec.context):
            return spec.context
        steps = _most(
            spec.context // _CONTEXT_STEP_TOKENS, lambda n: fits(n * _CONTEXT_STEP_TOKENS)
        )
        context = steps * _CONTEXT_STEP_TOKENS
        return context if context >= min(_LEAST_CONTEXT_TOKENS, spec.context) else 0

    def pool_tokens(self, spec: LoadSpec, room_bytes: int) -> int:
        """What all slots together may hold: one context at least, no more than they could use.

        A row of a batch is as long as the longest, so one long prompt among short ones takes much.
        """
        if spec.text.draft is not None or spec.text.kv_bits is not None:
            return spec.context
        share_bytes = room_bytes // _POOL_SHARE

        def fits(more: int) -> bool:
            pool = _with(spec, kv_pool_tokens=spec.context + more)
            return self.need(pool).kv_bytes <= share_bytes and self.fits(pool, room_bytes)

        # A cache has up to one step more than it holds.
        row_tokens = spec.context + _CONTEXT_STEP_TOKENS - 1
        return spec.context + _most((spec.slots - 1) * row_tokens, fits)


def _with(spec: LoadSpec, **changes: object) -> LoadSpec:
    return msgspec.structs.replace(spec, **changes)


def _most(highest: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `highest` that fits, where all smaller ones do too; 0 if none."""
    low, high = 0, highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _usable(model: Model) -> ModelFacts:
    if model.facts is None or model.problem is not None:
        raise ModelUnsupported(
            f"{model.id} cannot be served: {model.problem}",
            hint="`mlx-gui list` shows what is wrong with each model.",
            details={"model": model.id},
        )
    return model.facts


def _wanted(
    model: Model, sizing: _Sizing, config: Config, *, settings: ModelSettings, draft: Model | None
) -> LoadSpec:
    """The spec before anything of it was made to fit."""
    return LoadSpec(
        model_id=model.id,
        path=model.path,
        kind=sizing.facts.kind,
        engine=engine_of(sizing.facts.kind, fake=config.engine == "fake"),
        weight_form="stored",
        context=_USUAL_CONTEXT_TOKENS,
        slots=settings.slots,
        text=_text_options(model, settings, draft),
    )


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


def _text_options(model: Model, settings: ModelSettings, draft: Model | None) -> TextOptions:
    options = TextOptions(
        adapter=model.adapter,
        kv_bits=settings.kv_bits or None,
        template=settings.chat_template,
        template_arguments=settings.template_arguments,
        tool_prompt=settings.tool_prompt,
        truncate=settings.truncate,
        sampling=Sampling(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            min_p=settings.min_p,
            repetition_penalty=settings.repetition_penalty,
        ),
        reasoning=Reasoning(enabled={"on": True, "off": False, "model": None}[settings.reasoning]),
    )
    if draft is None:
        return options
    return msgspec.structs.replace(options, draft=draft.path, draft_tokens=settings.draft_tokens)
