"""What of a text model is loaded: its weight form, context, pool of KV and prefix cache."""

from collections.abc import Callable

import msgspec

from mlx_gui.core.generation import Reasoning, Sampling
from mlx_gui.core.model import (
    LoadSpec,
    MemoryNeed,
    Model,
    ModelFacts,
    TextFacts,
    TextOptions,
)
from mlx_gui.core.setting_row import ContextTokens, ModelSettings
from mlx_gui.kinds.base import LoadAsked, LoadPlanned
from mlx_gui.kinds.memory import text_need
from mlx_gui.kinds.weight_forms import weight_forms

CONTEXT_STEP_TOKENS = 256
"""Contexts that are not asked for are multiples of this."""

_LEAST_CONTEXT_TOKENS = 1024
"""A context is not cut below this: the model is refused with the figures instead."""

_AUTO_CONTEXT_TOKENS = 65_536
"""A context that nobody has set is no longer than this."""

_USUAL_CONTEXT_TOKENS = 8192
"""Nor is it shorter than this, where the model was made for that and it fits."""

_SMALL_CONTEXT_TOKENS = 2048
"""A small footprint halves a context down to this, and has neither more pool nor a prefix cache."""

_POOL_SHARE = 8
"""The KV of all slots together may take this part of the budget, where one context takes less.

So may one context that nobody has set: what the pool would take anyway, one prompt may have.
"""


_NOT_PLANNED = TextOptions()


def plan_text(asked: LoadAsked, options: TextOptions = _NOT_PLANNED) -> LoadPlanned:
    """The plan for a text model, as `kinds.base.ModelKind.plan` says, with `options` of its kind.

    Where nobody has set the context it is `room_tokens` at least, as far as model and memory allow.
    """
    sizing, settings = _Sizing(asked), asked.settings
    spec = _wanted(asked, options)
    wanted_context, because = _wanted_context(asked, sizing, spec)
    spec = sizing.fastest_form(_with(spec, context=wanted_context), asked.room_bytes)
    spec = _with(spec, context=sizing.fitting_context(spec, asked.room_bytes) or spec.text.context)
    one_context_bytes = sizing.need(spec).kv_bytes
    pool_tokens = spec.text.context
    if asked.footprint == "full":
        pool_tokens = sizing.pool_tokens(spec, asked.room_bytes)
    spec = _with(spec, kv_pool_tokens=pool_tokens)
    if asked.footprint == "full":
        spare_bytes = asked.room_bytes - sizing.need(spec).total_bytes
        prefix_bytes = min(settings.prefix_cache_bytes, 2 * one_context_bytes, spare_bytes)
        spec = _with(spec, prefix_cache_bytes=max(prefix_bytes, 0))
    return LoadPlanned(
        spec,
        sizing.need(spec),
        wanted_context,
        auto=_asked_context(asked) == "auto",
        context_because=because,
    )


def longest_context(text: TextFacts, settings: ModelSettings) -> int:
    """The longest context that a model is loaded with, wherever memory allows that."""
    made_for = text.context_length
    if settings.context_tokens == "auto":
        return min(made_for or _USUAL_CONTEXT_TOKENS, _AUTO_CONTEXT_TOKENS)
    return min(made_for or settings.context_tokens, settings.context_tokens)


def text_facts(facts: ModelFacts) -> TextFacts:
    """What `facts`, which are a text model's, have of it."""
    assert facts.text is not None, f"they are of the kind {facts.kind}"
    return facts.text


class _Sizing:
    """The need of any spec of one model on one machine, and what of it fits."""

    def __init__(self, asked: LoadAsked) -> None:
        self._asked = asked
        self._text = text_facts(asked.facts)
        self._draft = None if asked.draft is None else asked.draft.facts

    def need(self, spec: LoadSpec) -> MemoryNeed:
        asked = self._asked
        need = text_need(
            asked.facts,
            spec,
            adapter_bytes=asked.model.adapter_bytes,
            draft=self._draft,
            backend=asked.device.backend,
        )
        return asked.corrected(spec, need)

    def fits(self, spec: LoadSpec, room_bytes: int) -> bool:
        need = self.need(spec)
        return max(need.total_bytes, need.load_peak_bytes) <= room_bytes

    def fastest_form(self, spec: LoadSpec, room_bytes: int) -> LoadSpec:
        """`spec` in the fastest form that fits with all of its context, else in the smallest."""
        for form in weight_forms(self._asked.facts, self._asked.device):
            spec = msgspec.structs.replace(spec, weight_form=form)
            if self.fits(spec, room_bytes):
                break
        return spec

    def auto_context(self, spec: LoadSpec, room_bytes: int) -> tuple[int, str]:
        """The context where nobody has set one, and why it is that.

        What it takes, its KV cache and the work with it, is no more than an eighth of the room.
        """
        made_for = self._text.context_length
        if made_for is None:
            return _USUAL_CONTEXT_TOKENS, "the model does not say what it was made for"
        least, most = min(made_for, _USUAL_CONTEXT_TOKENS), min(made_for, _AUTO_CONTEXT_TOKENS)
        spec = self.fastest_form(_with(spec, context=least), room_bytes)
        share_bytes = room_bytes // _POOL_SHARE
        usual = self.need(spec)

        def context(steps: int) -> int:
            return min(least + steps * CONTEXT_STEP_TOKENS, most)

        def fits(steps: int) -> bool:
            longer = _with(spec, context=context(steps))
            more_bytes = self.need(longer).total_bytes - usual.total_bytes
            return usual.kv_bytes + more_bytes <= share_bytes and self.fits(longer, room_bytes)

        chosen = context(most_that_fits(-(-(most - least) // CONTEXT_STEP_TOKENS), fits))
        if chosen == made_for:
            return chosen, "the model was made for no more"
        if chosen == most:
            return chosen, f"more than {most:,} tokens are not taken unasked"
        return chosen, "a longer one would take over an eighth of the budget"

    def fitting_context(self, spec: LoadSpec, room_bytes: int) -> int:
        """The context of `spec`, or as much of it as fits; 0 if that is too little to be of use."""

        def fits(context: int) -> bool:
            return self.fits(_with(spec, context=context), room_bytes)

        if fits(spec.text.context):
            return spec.text.context
        steps = most_that_fits(
            spec.text.context // CONTEXT_STEP_TOKENS, lambda n: fits(n * CONTEXT_STEP_TOKENS)
        )
        context = steps * CONTEXT_STEP_TOKENS
        return context if context >= min(_LEAST_CONTEXT_TOKENS, spec.text.context) else 0

    def pool_tokens(self, spec: LoadSpec, room_bytes: int) -> int:
        """What all slots together may hold: one context at least, no more than they could use.

        A row of a batch is as long as the longest, so one long prompt among short ones takes much.
        """
        if spec.text.draft is not None or spec.text.kv_bits is not None:
            return spec.text.context
        share_bytes = room_bytes // _POOL_SHARE

        def fits(more: int) -> bool:
            pool = _with(spec, kv_pool_tokens=spec.text.context + more)
            return self.need(pool).kv_bytes <= share_bytes and self.fits(pool, room_bytes)

        # A cache has up to one step more than it holds.
        row_tokens = spec.text.context + CONTEXT_STEP_TOKENS - 1
        return spec.text.context + most_that_fits((spec.text.slots - 1) * row_tokens, fits)


def _asked_context(asked: LoadAsked) -> ContextTokens:
    return asked.context_tokens or asked.settings.context_tokens


def _wanted_context(asked: LoadAsked, sizing: _Sizing, spec: LoadSpec) -> tuple[int, str]:
    """The context before it is made to fit, and why it is that."""
    made_for, context = text_facts(asked.facts).context_length, _asked_context(asked)
    if context == "auto":
        wanted_context, because = sizing.auto_context(spec, asked.room_bytes)
        longer = min(made_for or 0, asked.room_tokens)
        if longer > wanted_context and asked.footprint == "full":
            wanted_context, because = longer, "a prompt needed more than is taken unasked"
    else:
        wanted_context = min(made_for or context, context)
        source = f"set for the {asked.settings.sources['context_tokens']}"
        because = source if asked.context_tokens is None else "asked for this load"
    if asked.footprint == "small" and wanted_context > _SMALL_CONTEXT_TOKENS:
        wanted_context = max(wanted_context // 2, _SMALL_CONTEXT_TOKENS)
        because = "less than usual, after it ran out of memory"
    return wanted_context, because


def _wanted(asked: LoadAsked, options: TextOptions) -> LoadSpec:
    """The spec before anything of it was made to fit."""
    return LoadSpec(
        model_id=asked.model.id,
        path=asked.model.path,
        kind=asked.facts.kind,
        engine=asked.engine,
        weight_form="stored",
        options=_options(options, asked.model, asked.settings, asked.draft),
    )


def _options(
    options: TextOptions, model: Model, settings: ModelSettings, draft: Model | None
) -> TextOptions:
    options = msgspec.structs.replace(
        options,
        context=_USUAL_CONTEXT_TOKENS,
        slots=settings.slots,
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


def _with(spec: LoadSpec, **changes: object) -> LoadSpec:
    """`spec` with other options."""
    return msgspec.structs.replace(spec, options=msgspec.structs.replace(spec.text, **changes))


def most_that_fits(highest: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `highest` that fits, where all smaller ones do too; 0 if none."""
    low, high = 0, highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
