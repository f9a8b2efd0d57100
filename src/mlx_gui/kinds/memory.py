"""Bytes that a text model takes: its weights, its caches, and what computing with it costs.

Formulas are of what mlx-lm and `engines/text/` do; the constants in them were measured, as
`docs/guides/memory.md` tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mlx_gui.core.device import LIMITS, Backend
from mlx_gui.core.model import LoadSpec, MemoryNeed, ModelFacts

PROCESS_BYTES: Mapping[Backend, int] = MappingProxyType(
    {"cpu": 115_000_000, "metal": 115_000_000, "cuda": 115_000_000}
)
"""Resident set of a worker that has imported everything and loaded nothing."""

TOKENIZER_COPIES = 10
"""What a tokenizer takes, and the copy of it for preparation, by the size of its file."""

CACHE_STEP_TOKENS = 256
"""KV caches of mlx-lm grow by this, and so have up to one less of room that is not used."""

SMALLEST_ROW_TOKENS = 256
"""No more sequences are taken in than could have so many tokens each."""

KV_GROUP = 64
"""So many values of a quantized KV cache share a scale and a bias."""

LAYERS_ALIVE = 4
"""So many layers' activations of a prompt's chunk are in memory at once."""

LOGITS_ALIVE = 6
"""So many arrays of rows times vocabulary are: two steps' logits, and what sampling makes."""

SCORES_ALIVE = 2
"""So many arrays of attention scores are, where no kernel spares them."""


@dataclass(frozen=True, slots=True)
class _Load:
    """What one model of a worker holds in its weight form, and does with a prompt at once."""

    facts: ModelFacts
    spec: LoadSpec
    backend: Backend

    @property
    def value_bytes(self) -> int:
        # Without any 16-bit float in the file the model computes in 32 bits as it is.
        widened = self.spec.weight_form != "stored"
        return 4 if widened or not self.facts.float16_bytes else 2


def text_need(
    facts: ModelFacts,
    spec: LoadSpec,
    *,
    adapter_bytes: int,
    draft: ModelFacts | None,
    backend: Backend,
) -> MemoryNeed:
    """What `spec` takes. A draft model is loaded after the model and has a KV cache of its own."""
    own = _Load(facts, spec, backend)
    process_bytes = PROCESS_BYTES[backend] + TOKENIZER_COPIES * facts.tokenizer_bytes
    weights_bytes = _weights_bytes(own) + adapter_bytes
    load_peak_bytes = weights_bytes + _load_extra_bytes(own)
    kv_bytes, working_bytes = _kv_bytes(own), _working_bytes(own)
    if draft is not None:
        second = _Load(draft, spec, backend)
        weights_bytes += _weights_bytes(second)
        load_peak_bytes = max(load_peak_bytes, weights_bytes + _load_extra_bytes(second))
        kv_bytes += _kv_bytes(second)
        working_bytes = max(working_bytes, _working_bytes(second))
    return MemoryNeed(
        weights_bytes=weights_bytes,
        kv_bytes=kv_bytes,
        overhead_bytes=process_bytes + working_bytes,
        load_peak_bytes=process_bytes + load_peak_bytes,
        prefix_bytes=spec.prefix_cache_bytes,
        process_bytes=process_bytes,
    )


# --- weights ------------------------------------------------------------------------------------


def _weights_bytes(load: _Load) -> int:
    match load.spec.weight_form:
        case "stored":
            return load.facts.stored_bytes
        case "float32-scales":
            return load.facts.stored_bytes + load.facts.float16_bytes
        case "float32":
            return load.facts.parameter_count * 4


def _load_extra_bytes(load: _Load) -> int:
    """What the worst moment of reading the weights takes beside them."""
    if load.spec.weight_form != "float32":
        return 0
    # Tensors are unpacked one by one: the last meets all others, unpacked and as stored.
    return 2 * load.facts.largest_tensor_parameters * 4


# --- caches -------------------------------------------------------------------------------------


def _rows(load: _Load) -> int:
    """Sequences that may be in memory together."""
    spec = load.spec
    if spec.text.draft is not None or spec.text.kv_bits is not None or not load.facts.kv.batched:
        return 1
    return max(min(spec.slots, _pool_tokens(load) // SMALLEST_ROW_TOKENS), 1)


def _pool_tokens(load: _Load) -> int:
    return max(load.spec.kv_pool_tokens, load.spec.context)


def _kv_bytes(load: _Load) -> int:
    """The caches of all sequences at their fullest; what they hold no token in counts as well."""
    kv, rows = load.facts.kv, _rows(load)
    room_tokens = _pool_tokens(load) + rows * (CACHE_STEP_TOKENS - 1)
    values_bytes = room_tokens * kv.bytes_per_token * _kv_group_bits(load) // (8 * 2 * KV_GROUP)
    chunk_tokens = LIMITS[load.backend].prefill_tokens
    for window in kv.windows:
        tokens = min(room_tokens, rows * (window.tokens + chunk_tokens))
        values_bytes += tokens * window.bytes_per_token * load.value_bytes // 2
    state_bytes = kv.state_bytes * load.value_bytes // 2 + kv.wide_state_bytes
    return values_bytes + rows * state_bytes


def _kv_group_bits(load: _Load) -> int:
    """What a group of values takes in the KV cache, with scale and bias if it is quantized."""
    bits = load.spec.text.kv_bits
    if bits is None:
        return KV_GROUP * 8 * load.value_bytes
    return KV_GROUP * bits + 2 * 8 * load.value_bytes


# --- computing ----------------------------------------------------------------------------------


def _working_bytes(load: _Load) -> int:
    """What MLX takes for a moment, at most: to read a chunk of prompts, or to choose tokens."""
    return max(_reading_bytes(load), _writing_bytes(load))


def _reading_bytes(load: _Load) -> int:
    limits, facts = LIMITS[load.backend], load.facts
    tokens = limits.prefill_tokens * min(_rows(load), limits.crowd)
    context = load.spec.context
    values = tokens * LAYERS_ALIVE * facts.activations_per_token
    values += SCORES_ALIVE * tokens * facts.attention_heads * context
    return (values + context * facts.attended_values) * load.value_bytes


def _writing_bytes(load: _Load) -> int:
    return LOGITS_ALIVE * _rows(load) * (load.facts.vocabulary_size or 0) * 4
