"""What the files of a speech model say that means something for its kind alone."""

from collections.abc import Mapping
from typing import Literal, cast

import msgspec

from mlx_gui.core.model import KindFacts
from mlx_gui.kinds.numbers import number

Family = Literal["whisper", "parakeet"]
"""Families of mlx-audio's that are driven window by window."""

DETECTOR_TYPES = ("silero", "silero-vad", "silero_vad")
"""Models that tell speech from other sound, by the names that mlx-audio has for them."""

_NEMO = "nemo.collections.asr"
_WHISPER_FRAMES = 1500
_FRAME_S = 0.08
_CHUNK_S = 30
_SPECTRA_A_S = 100
_MULTILINGUAL_TOKENS = 51_865


class TranscriptionFacts(KindFacts, msgspec.Struct, frozen=True):
    """The shape of what hears, for `kinds/transcription_memory.py`.

    `frames` are those of one window as the layers have them, `convolved` the values that the first
    convolution makes of it where these are more than those of a layer, `distances` the frames to
    either side that there is a table for. `vocabulary` is 0 where a tokenizer is none of the
    model's files. `translates` is whether it writes English of other languages.
    """

    family: Family = "whisper"
    width: int = 0
    attention_heads: int = 0
    frames: int = 0
    decoder_layers: int = 0
    vocabulary: int = 0
    translates: bool = False
    convolved: int = 0
    distances: int = 0


def family_of(config: Mapping[str, object]) -> Family | None:
    """The family of the model with this config; None for one that is none of speech we serve."""
    model_type = str(config.get("model_type", ""))
    if model_type == "whisper":
        return "whisper"
    if model_type in ("parakeet", "parakeet_tdt") or _of_nemo(config):
        return "parakeet"
    return None


def _of_nemo(config: Mapping[str, object]) -> bool:
    return str(config.get("target", "")).startswith(_NEMO)


def facts_of(config: Mapping[str, object], family: Family) -> TranscriptionFacts:
    """What the config says of the model's shape."""
    if family == "whisper":
        vocabulary = number(config, "vocab_size", "n_vocab")
        return TranscriptionFacts(
            family,
            width=number(config, "d_model", "n_audio_state"),
            attention_heads=number(config, "encoder_attention_heads", "n_audio_head"),
            frames=number(config, "max_source_positions", "n_audio_ctx") or _WHISPER_FRAMES,
            decoder_layers=number(config, "decoder_layers", "n_text_layer"),
            vocabulary=vocabulary,
            translates=vocabulary >= _MULTILINGUAL_TOKENS,
        )
    encoder = config.get("encoder")
    part = cast("dict[str, object]", encoder) if isinstance(encoder, dict) else {}
    return TranscriptionFacts(
        family,
        width=number(part, "d_model"),
        attention_heads=number(part, "n_heads"),
        frames=round(_CHUNK_S / _FRAME_S),
        convolved=_convolved(part),
        distances=number(part, "pos_emb_max_len"),
    )


def _convolved(encoder: Mapping[str, object]) -> int:
    """It halves the spectrogram both ways, and has so many channels of that."""
    channels = number(encoder, "subsampling_conv_channels")
    return _CHUNK_S * _SPECTRA_A_S // 2 * (number(encoder, "feat_in") // 2) * channels
