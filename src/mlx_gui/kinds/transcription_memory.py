"""Bytes that a speech model takes: its weights, and what one window of sound costs.

Formulas are of what mlx-audio's Whisper and Parakeet do with 30 s; the constants were measured.
"""

from mlx_gui.core.device import Backend
from mlx_gui.core.model import LoadSpec, MemoryNeed, ModelFacts
from mlx_gui.kinds.memory import PROCESS_BYTES
from mlx_gui.kinds.transcription_facts import TranscriptionFacts

_SOUND_BYTES = 8_000_000
"""Of each request: a minute that is decoded ahead, and a window of it."""
_SPECTRUM_BYTES = 25_000_000
"""What a spectrogram is made of."""
_CONVOLVED_QUARTERS = 9
"""So many quarters of what the first convolution makes are in memory at once, in 32 bits."""
_SCORES_ALIVE = 2
"""So many arrays of attention scores of one layer are in memory at once."""
_LAYERS_ALIVE = 3
"""So many arrays of a layer's widest values are."""
_LOGITS_ALIVE = 8
_TEXT_TOKENS = 448
"""As much is told and written of a window at most."""
_TOKENIZER_BYTES = 60_000_000
"""Whisper's tokenizer, of 52,000 tokens."""
_WIDENING = 4
_DETECTING_BYTES = 20_000_000
"""What tells speech from other sound looks at some seconds at once."""


def transcription_need(
    facts: ModelFacts, spec: LoadSpec, *, backend: Backend, detector: ModelFacts | None = None
) -> MemoryNeed:
    """What `spec` takes. One window is computed at a time, however many requests there are.

    `detector` are the facts of what tells speech from other sound, where it is loaded besides.
    """
    own = facts.own
    assert isinstance(own, TranscriptionFacts), "these formulas are of speech models"
    value_bytes = 2 if spec.weight_form == "stored" else 4
    # The table is made when the model is loaded.
    weights_bytes = _weights_bytes(facts, spec) + 2 * own.distances * own.width * 4
    if detector is not None:
        weights_bytes += detector.parameter_count * 4
    process_bytes = PROCESS_BYTES[backend] + (_TOKENIZER_BYTES if own.vocabulary else 0)
    frames, heads = own.frames, own.attention_heads
    working = _SCORES_ALIVE * heads * frames * frames
    working += _LAYERS_ALIVE * frames * own.width * _WIDENING
    working_bytes = working * value_bytes + _LOGITS_ALIVE * own.vocabulary * 4
    # The spectrogram is made in the same go as what the convolutions make of it.
    working_bytes += _SPECTRUM_BYTES + _CONVOLVED_QUARTERS * own.convolved
    if detector is not None:
        working_bytes += _DETECTING_BYTES
    # Of each request: keys and values of the window and of what is written of it, for each layer
    # of the decoder, and the window as the encoder has left it.
    kept = 2 * own.decoder_layers * (frames + _TEXT_TOKENS) * own.width
    if own.decoder_layers:
        kept += frames * own.width
    sounds_bytes = spec.options.slots * _SOUND_BYTES
    # The file has it in 16 bits, beside all that are there in 32.
    widened = spec.weight_form != "stored" and facts.float16_bytes > 0
    narrow_bytes = 2 * facts.largest_tensor_parameters if widened else 0
    return MemoryNeed(
        weights_bytes=weights_bytes,
        kv_bytes=kept * value_bytes * spec.options.slots,
        overhead_bytes=process_bytes + working_bytes + sounds_bytes,
        load_peak_bytes=process_bytes + weights_bytes + narrow_bytes,
        process_bytes=process_bytes,
        requests_bytes=sounds_bytes,
    )


def _weights_bytes(facts: ModelFacts, spec: LoadSpec) -> int:
    match spec.weight_form:
        case "float32":
            return facts.parameter_count * 4
        case "float32-scales":
            return facts.stored_bytes + facts.float16_bytes
        case "stored":
            # Whisper is held in 16 bits, also where its file has 32.
            return min(facts.stored_bytes, facts.parameter_count * 2)
