"""From an installed model, its settings and the machine to exactly what would be resident."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from mlx_gui.config import Config
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.errors import InvalidRequest, ModelNotFound, ModelUnsupported
from mlx_gui.core.generation import Reasoning, Sampling
from mlx_gui.core.model import LoadSpec, MemoryNeed, Model, ModelFacts, TextOptions
from mlx_gui.kinds.registry import kind_of
from mlx_gui.model_settings import ModelSettings

_FAKE_ENGINE = "mlx_gui.engines.fake"
_CONTEXT_STEP_TOKENS = 256
_LEAST_CONTEXT_TOKENS = 1024
"""A context is not cut below this: the model is refused with the figures instead."""

_POOL_SHARE = 8
"""The KV of all slots together may take this part of the budget, where one context takes less."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load makes resident, and the memory it needs.

    `wanted_context` was asked for, by the settings or for this load; the spec's may be shorter.
    `measured` says that an earlier load has corrected the need.
    """

    spec: LoadSpec
    need: MemoryNeed
    wanted_context: int = 0
    measured: bool = False


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
) -> Plan:
    """The plan for `model` on `machine`. Raises ModelUnsupported with the model's problem."""
    facts = _usable(model)
    kind = kind_of(facts.kind)
    budget_bytes = machine.budget_bytes
    wanted_context = min(facts.context_length or settings.context_tokens, settings.context_tokens)
    spec = LoadSpec(
        model_id=model.id,
        path=model.path,
        kind=facts.kind,
        engine=_FAKE_ENGINE if config.engine == "fake" else kind.engine,
        weight_form="stored",
        context=wanted_context,
        slots=settings.slots,
        text=_text_options(model, settings, draft),
    )

    def need(spec: LoadSpec) -> MemoryNeed:
        drafting = draft.facts if draft is not None else None
        return kind.need(facts, spec, adapter_bytes=model.adapter_bytes, draft=drafting)

    for form in kind.weight_forms(facts, machine.device):
        spec = msgspec.structs.replace(spec, weight_form=form)
        whole = need(spec)
        if whole.load_peak_bytes + whole.kv_bytes <= budget_bytes:
            break
    spec = msgspec.structs.replace(spec, context=_fitting_context(spec, need(spec), budget_bytes))
    one_context_bytes = need(spec).kv_bytes
    pool_tokens = _pool_tokens(spec, need(spec), budget_bytes)
    spec = msgspec.structs.replace(spec, kv_pool_tokens=pool_tokens)
    prefix_bytes = min(
        settings.prefix_cache_bytes, 2 * one_context_bytes, budget_bytes - need(spec).total_bytes
    )
    spec = msgspec.structs.replace(spec, prefix_cache_bytes=max(prefix_bytes, 0))
    return Plan(spec, need(spec), wanted_context)


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


def _usable(model: Model) -> ModelFacts:
    if model.facts is None or model.problem is not None:
        raise ModelUnsupported(
            f"{model.id} cannot be served: {model.problem}",
            hint="`mlx-gui list` shows what is wrong with each model.",
            details={"model": model.id},
        )
    return model.facts


def _no_draft(model: Model, reason: str) -> ModelUnsupported:
    return ModelUnsupported(
        f"The draft model of {model.id} cannot be used: {reason}",
        hint=f"Choose another, or none: mlx-gui settings {model.id} --reset draft_model",
        details={"model": model.id, "param": "settings.draft_model"},
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


def _fitting_context(spec: LoadSpec, need: MemoryNeed, budget_bytes: int) -> int:
    """The context of `spec`, or as much of it as the budget has room for."""
    room_bytes = budget_bytes - (need.total_bytes - need.kv_bytes)
    if need.kv_bytes <= room_bytes:
        return spec.context
    fitting = spec.context * room_bytes // need.kv_bytes // _CONTEXT_STEP_TOKENS
    context = fitting * _CONTEXT_STEP_TOKENS
    return context if context >= min(_LEAST_CONTEXT_TOKENS, spec.context) else spec.context


def _pool_tokens(spec: LoadSpec, need: MemoryNeed, budget_bytes: int) -> int:
    """What all slots together may hold: one context at least, and no more than they could use.

    A row of a batch is as long as the longest, so one long prompt among short ones takes much.
    """
    one_after_the_other = spec.text.draft is not None or spec.text.kv_bits is not None
    if one_after_the_other or not need.kv_bytes:
        return spec.context
    room_bytes = budget_bytes - (need.total_bytes - need.kv_bytes)
    pool_bytes = min(budget_bytes // _POOL_SHARE, room_bytes)
    tokens = spec.context * pool_bytes // need.kv_bytes
    return max(spec.context, min(spec.slots * spec.context, tokens))
