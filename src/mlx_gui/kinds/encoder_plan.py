"""What of an encoder is loaded, which reads whole texts and writes none, and what it takes."""

from collections.abc import Callable
from dataclasses import dataclass

from mlx_gui.core.device import LIMITS, Backend
from mlx_gui.core.model import KindOptions, LoadSpec, MemoryNeed, ModelFacts, WeightForm
from mlx_gui.kinds.base import LoadAsked, LoadPlanned
from mlx_gui.kinds.memory import (
    MLX_CACHE_BYTES,
    PROCESS_BYTES,
    TOKENIZER_COPIES,
    unpacking_bytes,
    weights_bytes,
)
from mlx_gui.kinds.weight_forms import weight_forms

REQUESTS_TOGETHER = 32
"""So many requests share batches: many clients with one short text each are answered by one."""

_LIBRARY_BYTES = 12_000_000
"""What the library of encoders takes in a process beside what that of text models does."""

_SCORES_ALIVE = 5, 4
"""So many arrays of attention scores there are at once, as a fraction: a causal mask is one in
part."""

_USUAL_TOKENS = 8192
"""An input that nobody has set a length for is no longer than this."""

_LEAST_TOKENS = 512
"""Inputs are not cut below this to make a model fit."""


@dataclass(frozen=True, slots=True)
class EncoderSizes:
    """What the memory of a batch follows from; `longest_tokens` is of one input.

    `values_per_token` there are of a token at once, beside the attention's scores.
    """

    longest_tokens: int
    values_per_token: int
    attention_heads: int
    tokenizer_bytes: int


def plan_encoder(
    asked: LoadAsked, sizes: EncoderSizes, options: Callable[[int], KindOptions]
) -> LoadPlanned:
    """The fastest weights that fit, with inputs as long as the model reads and memory allows.

    `options` makes those of a load from the tokens that its longest input may have.
    """
    forms = weight_forms(asked.facts, asked.device)
    tried = [
        _planned(asked, sizes, form=form, tokens=tokens, options=options)
        for form in forms
        for tokens in (_lengths(asked, sizes) if form == forms[-1] else _lengths(asked, sizes)[:1])
    ]
    return next((each for each in tried if _fits(each.need, asked.room_bytes)), tried[-1])


def _lengths(asked: LoadAsked, sizes: EncoderSizes) -> list[int]:
    """What the longest input may have, the wanted number first and then always half of it."""
    wanted, context = sizes.longest_tokens, asked.settings.context_tokens
    wanted = min(wanted, _USUAL_TOKENS if context == "auto" else context)
    lengths = [wanted]
    while lengths[-1] // 2 >= _LEAST_TOKENS:
        lengths.append(lengths[-1] // 2)
    return lengths


def _fits(need: MemoryNeed, room_bytes: int) -> bool:
    return max(need.total_bytes, need.load_peak_bytes) <= room_bytes


def _planned(
    asked: LoadAsked,
    sizes: EncoderSizes,
    *,
    form: WeightForm,
    tokens: int,
    options: Callable[[int], KindOptions],
) -> LoadPlanned:
    spec = LoadSpec(
        asked.model.id, asked.model.path, asked.facts.kind, asked.engine, form, options(tokens)
    )
    need = _need(asked.facts, sizes, form=form, tokens=tokens, backend=asked.device.backend)
    return LoadPlanned(spec, asked.corrected(spec, need))


def _need(
    facts: ModelFacts, sizes: EncoderSizes, *, form: WeightForm, tokens: int, backend: Backend
) -> MemoryNeed:
    """What a load takes whose longest input has `tokens`."""
    process_bytes = (
        PROCESS_BYTES[backend] + _LIBRARY_BYTES + TOKENIZER_COPIES * sizes.tokenizer_bytes
    )
    held_bytes = weights_bytes(facts, form)
    value_bytes = 4 if form != "stored" or not facts.float16_bytes else 2
    batch_tokens = max(LIMITS[backend].encoder_tokens, tokens)
    scores, parts = _SCORES_ALIVE
    values = sizes.values_per_token + scores * sizes.attention_heads * tokens // parts
    working_bytes = batch_tokens * values * value_bytes
    cached_bytes = min(working_bytes, MLX_CACHE_BYTES)
    return MemoryNeed(
        weights_bytes=held_bytes,
        kv_bytes=0,
        overhead_bytes=process_bytes + working_bytes + cached_bytes,
        load_peak_bytes=process_bytes + held_bytes + unpacking_bytes(facts, form),
        process_bytes=process_bytes,
        cached_bytes=cached_bytes,
    )
