"""Bytes that a model takes that speaks: its weights, and what each request keeps.

Formulas are of what mlx-audio's Pocket TTS and Qwen3-TTS do; the constants were measured.
"""

from mlx_gui.core.device import Backend
from mlx_gui.core.model import LoadSpec, MemoryNeed, ModelFacts
from mlx_gui.kinds.memory import MLX_CACHE_BYTES, PROCESS_BYTES
from mlx_gui.kinds.speech_files import SpeechFacts

_CACHE_TOKENS = 1_280
"""The library makes room for 1,000 at the beginning of a sentence, and grows by 256."""
_KV_VALUE_BYTES = 4
"""Whatever the weights are: what is read is 32 bits wide."""
_CODEC_BYTES = 5_000
"""What the codec keeps between two frames, for each number of a vector; its own width grows with
that."""
_FRAME_BYTES = 10_000
"""What is made of one frame on its way to sound, in the same way."""
_READ_TOKENS = 512
"""Of a text and of how to speak it, which stand before its frames; caches grow by 256."""
_WAVES_BYTES = 23
"""What is made of four frames on their way to sound, for each number of `SpeechFacts.waves`."""
_WAVES_KEPT_BYTES = 16
"""What the codec keeps between two of these, for each text, in the same way."""
_LIBRARY_BYTES = 20_000_000
"""What mlx-audio brings beside MLX: tokenizers, soundfile, samplerate."""


def speech_need(facts: ModelFacts, spec: LoadSpec, *, backend: Backend) -> MemoryNeed:
    """What `spec` takes. One frame is computed at a time, however many requests there are."""
    own = facts.own
    assert isinstance(own, SpeechFacts), "these formulas are of models that speak"
    slots = spec.options.slots
    weights_bytes = _weights_bytes(facts, spec)
    process_bytes = PROCESS_BYTES[backend] + _LIBRARY_BYTES
    # Where a sentence follows on another, its caches are there beside those of the one before.
    sentences = slots + 1
    working_bytes = own.width * (_FRAME_BYTES + slots * _CODEC_BYTES)
    if own.family == "qwen3_tts":
        value_bytes = 2 if spec.weight_form == "stored" else 4
        kv_bytes = own.kept * (own.frames + _READ_TOKENS) * value_bytes * sentences
        working_bytes += own.waves * (_WAVES_BYTES + slots * _WAVES_KEPT_BYTES)
    else:
        kv_bytes = 2 * own.layers * own.width * _CACHE_TOKENS * _KV_VALUE_BYTES * sentences
    widened = spec.weight_form != "stored" and facts.float16_bytes > 0
    narrow_bytes = 2 * facts.largest_tensor_parameters if widened else 0
    return MemoryNeed(
        weights_bytes=weights_bytes,
        kv_bytes=kv_bytes,
        overhead_bytes=process_bytes + working_bytes + MLX_CACHE_BYTES,
        load_peak_bytes=process_bytes + weights_bytes + narrow_bytes,
        process_bytes=process_bytes,
        cached_bytes=MLX_CACHE_BYTES,
    )


def _weights_bytes(facts: ModelFacts, spec: LoadSpec) -> int:
    match spec.weight_form:
        case "float32":
            return facts.parameter_count * 4
        case "float32-scales":
            return facts.stored_bytes + facts.float16_bytes
        case "stored":
            return facts.stored_bytes
