"""Bytes that a text model takes: its weights, its caches, and what computing with it costs.

Formulas are of what mlx-lm and `engines/text/` do; the constants in them were measured, as
`docs/guides/memory.md` tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mlx_gui.core.device import LIMITS, Backend, scored_tokens
from mlx_gui.core.model import (
    LoadSpec,
    MemoryNeed,
    ModelFacts,
    TextFacts,
    TextOptions,
    WeightForm,
)
from mlx_gui.kinds.vision_facts import VisionFacts, VisionOptions
from mlx_gui.kinds.vision_memory import PICTURE_READERS_BYTES, looking_bytes

PROCESS_BYTES: Mapping[Backend, int] = MappingProxyType(
    {"cpu": 93_000_000, "metal": 115_000_000, "cuda": 115_000_000}
)
"""Resident set of a worker with a model of no size. Only that on a processor was measured here."""

TOKENIZER_COPIES = 18
"""What the tokenizer takes, its copy for preparation included, by the size of its file."""

CACHE_STEP_TOKENS = 256
"""KV caches of mlx-lm grow by so many tokens, and have up to one less to spare."""

KV_GROUP = 64
"""So many values of a quantized KV cache share a scale and a bias."""

LAYERS_ALIVE = 4
"""So many layers' activations of a prompt's chunk are in memory at once."""

SCORES_ALIVE = 2
"""So many arrays of attention scores are, where no kernel does without them."""

LOGITS_ALIVE = 6
"""So many arrays of rows times vocabulary are: two steps' logits, and what sampling makes."""

SCORED_ALIVE = 2
"""So many arrays of a chunk's tokens times vocabulary are, where a prompt is scored."""

CACHES_COPIED = 2
"""So often the caches of one layer are there again while sequences join or leave a batch."""

_FUSED_HEADS = (64, 80, 128)
"""Head sizes for which Metal and CUDA have a kernel that keeps no scores."""

MLX_CACHE_BYTES = 1 << 25
"""What MLX keeps of freed memory on its own account, on a processor."""


@dataclass(frozen=True, slots=True)
class _Resident:
    """One model of a worker."""

    facts: ModelFacts
    spec: LoadSpec
    backend: Backend

    @property
    def options(self) -> TextOptions:
        return self.spec.text

    @property
    def text(self) -> TextFacts:
        assert self.facts.text is not None, "these formulas are of text models"
        return self.facts.text

    @property
    def value_bytes(self) -> int:
        # Without any 16-bit float in the file the model computes in 32 bits as it is.
        widened = self.spec.weight_form != "stored"
        return 4 if widened or not self.facts.float16_bytes else 2

    @property
    def pool_tokens(self) -> int:
        return max(self.options.kv_pool_tokens, self.options.context)

    @property
    def rows(self) -> int:
        """Sequences that may be in memory together."""
        options = self.options
        if options.draft is not None or options.kv_bits is not None or not self.text.kv.batched:
            return 1
        return max(min(options.slots, self.pool_tokens // CACHE_STEP_TOKENS), 1)


def text_need(
    facts: ModelFacts,
    spec: LoadSpec,
    *,
    adapter_bytes: int,
    draft: ModelFacts | None,
    backend: Backend,
) -> MemoryNeed:
    """What `spec` takes. A draft model is loaded after the model and has a KV cache of its own."""
    own = _Resident(facts, spec, backend)
    process_bytes = PROCESS_BYTES[backend] + TOKENIZER_COPIES * own.text.tokenizer_bytes
    held_bytes = weights_bytes(facts, spec.weight_form) + adapter_bytes
    peak_bytes = held_bytes + unpacking_bytes(facts, spec.weight_form)
    kv_bytes, working_bytes = _kv_bytes(own), _working_bytes(own)
    if draft is not None:
        second = _Resident(draft, spec, backend)
        held_bytes += weights_bytes(draft, spec.weight_form)
        peak_bytes = max(peak_bytes, held_bytes + unpacking_bytes(draft, spec.weight_form))
        kv_bytes += _kv_bytes(second)
        working_bytes = max(working_bytes, _working_bytes(second))
    # What is freed stays with MLX until it is cleared, or is used again.
    cached_bytes = min(working_bytes, LIMITS[backend].cache_bytes or MLX_CACHE_BYTES)
    readers_bytes = PICTURE_READERS_BYTES if isinstance(spec.options, VisionOptions) else 0
    return MemoryNeed(
        weights_bytes=held_bytes,
        kv_bytes=kv_bytes,
        overhead_bytes=process_bytes + working_bytes + cached_bytes + readers_bytes,
        load_peak_bytes=process_bytes + peak_bytes,
        prefix_bytes=spec.text.prefix_cache_bytes,
        process_bytes=process_bytes,
        cached_bytes=cached_bytes,
        readers_bytes=readers_bytes,
    )


# --- weights ------------------------------------------------------------------------------------


def weights_bytes(facts: ModelFacts, form: WeightForm) -> int:
    """What the weights take once they are held in `form`."""
    match form:
        case "stored":
            return facts.stored_bytes
        case "float32-scales":
            return facts.stored_bytes + facts.float16_bytes
        case "float32":
            return facts.parameter_count * 4


def unpacking_bytes(facts: ModelFacts, form: WeightForm) -> int:
    """What unpacking the largest tensor takes beside the weights, when all others are there."""
    packed = facts.quantization is not None or facts.float16_bytes
    if form != "float32" or not packed:
        return 0
    largest = facts.largest_tensor_parameters
    # As it is stored, and its scales and biases once more in 32 bits.
    packed_bytes = facts.stored_bytes + 2 * facts.float16_bytes
    if facts.quantization is None:
        return facts.stored_bytes * largest // max(facts.parameter_count, 1)
    return 4 * largest + packed_bytes * largest // max(facts.parameter_count, 1)


# --- caches -------------------------------------------------------------------------------------


def _kv_bytes(model: _Resident) -> int:
    """The caches of all sequences at their fullest."""
    kv, rows = model.text.kv, model.rows
    room_tokens = model.pool_tokens + CACHE_STEP_TOKENS - 1
    values_bytes = room_tokens * kv.bytes_per_token * _group_bits(model) // (8 * 2 * KV_GROUP)
    chunk_tokens = LIMITS[model.backend].prefill_tokens
    for window in kv.windows:
        tokens = min(room_tokens, rows * (window.tokens + chunk_tokens))
        values_bytes += tokens * window.bytes_per_token * model.value_bytes // 2
    state_bytes = kv.state_bytes * model.value_bytes // 2 + kv.wide_state_bytes
    return values_bytes + rows * state_bytes


def _group_bits(model: _Resident) -> int:
    """What a group of values takes in the KV cache, with scale and bias if it is quantized."""
    bits = model.options.kv_bits
    if bits is None:
        return KV_GROUP * 8 * model.value_bytes
    return KV_GROUP * bits + 2 * 8 * model.value_bytes


# --- computing ----------------------------------------------------------------------------------


def _working_bytes(model: _Resident) -> int:
    """What MLX takes for a moment, at most: for prompts, for tokens, or to regroup rows."""
    regrouping_bytes = 0
    if model.rows > 1:
        regrouping_bytes = CACHES_COPIED * _kv_bytes(model) // model.text.kv.layers
    limits = LIMITS[model.backend]
    crowd_tokens = limits.prefill_tokens * min(model.rows, limits.crowd)
    return max(
        _looking_bytes(model),
        _reading_bytes(model, crowd_tokens),
        _scoring_bytes(model),
        _writing_bytes(model),
        regrouping_bytes,
    )


def _looking_bytes(model: _Resident) -> int:
    """Looking at the largest picture, which nothing is computed beside."""
    own, options = model.facts.own, model.options
    if not isinstance(own, VisionFacts) or not isinstance(options, VisionOptions):
        return 0
    return looking_bytes(
        own.tower,
        options.picture_pixels,
        value_bytes=model.value_bytes,
        backend=model.backend,
    )


def _scoring_bytes(model: _Resident) -> int:
    """Reading one prompt with the logits of all its tokens."""
    vocabulary = model.text.vocabulary_size
    if vocabulary is None:
        return 0
    tokens = scored_tokens(model.backend, vocabulary)
    return _reading_bytes(model, tokens) + SCORED_ALIVE * tokens * vocabulary * 4


def _reading_bytes(model: _Resident, tokens: int) -> int:
    text, context = model.text, model.options.context
    values = tokens * LAYERS_ALIVE * text.activations_per_token + context * text.attended_values
    fused = model.backend != "cpu" and text.head_size in _FUSED_HEADS
    if not fused or text.attended_values:
        values += SCORES_ALIVE * tokens * text.attention_heads * context
    return values * model.value_bytes


def _writing_bytes(model: _Resident) -> int:
    return LOGITS_ALIVE * model.rows * (model.text.vocabulary_size or 0) * 4
