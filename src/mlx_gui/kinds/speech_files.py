"""What the files of a model that speaks say: its family, its voices, why it is not served."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

import msgspec

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.model import KindFacts
from mlx_gui.kinds.numbers import number

Family = Literal["pocket_tts"]
"""Families of mlx-audio's that are driven step by step."""

_FAMILY_OF: Mapping[str, Family] = MappingProxyType(
    {"gradium_phonon_tts": "pocket_tts", "pocket_tts": "pocket_tts"}
)
_OTHERS = (
    *("audiodit", "bark", "breeze_tts", "chatterbox", "chatterbox_turbo", "csm", "dia"),
    *("echo_tts", "fish_qwen3_omni", "higgs_audio", "higgs_audio_v3", "higgs_multimodal_qwen3"),
    *("indextts", "irodori_tts", "kitten", "kitten_tts", "kokoro", "kugelaudio", "melotts"),
    *("moss_tts_delay", "moss_tts_local", "moss_tts_nano", "omnivoice", "outetts", "qwen3_tts"),
    *("sesame", "soprano", "spark", "speecht5", "tada", "vibevoice", "vibevoice_streaming"),
    *("vits", "voxcpm", "voxcpm1.5", "voxcpm2", "voxtral_tts", "zonos2"),
)
MODEL_TYPES = (*_FAMILY_OF, *_OTHERS)
"""Models that speak, whether or not they are served."""

_BY_FIELDS = (("pocket_tts", {"flow_lm", "mimi"}), ("kokoro", {"istftnet", "plbert"}))
"""Types whose configs do not name them, by what they have instead."""
_LACKING: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "kitten": ("phonemizer and espeak-ng, which are under the GPL", "phonemizer-fork"),
        "kitten_tts": ("phonemizer and espeak-ng, which are under the GPL", "phonemizer-fork"),
        "kokoro": (
            "misaki, which comes with spaCy, with espeak-ng under the GPL, and with a language "
            "model that it fetches while it runs",
            "misaki[en]",
        ),
        "melotts": ("g2p_en and its data, which it fetches while it runs", "g2p-en"),
        "spark": ("soxr, which is under the LGPL", "soxr"),
        "tada": ("PyTorch", "torch"),
        "voxtral_tts": ("Mistral's tokenizer for speech", "mistral-common[audio]"),
    }
)
"""By type, what it needs that does not come along, and the name by which pip knows that."""

_SHOWN_CHARACTERS = 40
_VOICE_FOLDERS = ("voices", "embeddings")
_VOICE_FILE = ".safetensors"
_DEFAULT_FILE = "default-voice.safetensors"
_DEFAULT_VOICES = ("default", "alba")
_TOKENIZERS = ("tokenizer.model", "tokenizer.json")


class SpeechFacts(KindFacts, msgspec.Struct, frozen=True):
    """The voices of a model, the one that speaks where none is asked for, and its shape.

    `width` and `layers` are those of what reads the text, for `kinds/speech_memory.py`.
    """

    family: Family = "pocket_tts"
    voices: tuple[str, ...] = ()
    default_voice: str = ""
    rate_hz: int = 0
    width: int = 0
    layers: int = 0


def type_of(config: Mapping[str, object]) -> str | None:
    """The type of a model that speaks, as its config says it; None for all others."""
    named = config.get("model_type")
    if named is None:
        return next((each for each, fields in _BY_FIELDS if fields <= config.keys()), None)
    return named if isinstance(named, str) and named in MODEL_TYPES else None


def family_of(model_type: str) -> Family | None:
    """The family that drives models of this type, None where there is none here."""
    return _FAMILY_OF.get(model_type)


def why_not_driven(model_type: str) -> str | None:
    """The sentence why models of a type that speaks are not served; None for those that are."""
    if model_type in _FAMILY_OF:
        return None
    if (lacking := _LACKING.get(model_type)) is None:
        return f"mlx-gui does not serve speech models of the type '{model_type}' yet."
    what, package = lacking
    return (
        f"Speech models of the type '{model_type}' need {what}: mlx-gui does not bring it. In an "
        f'environment of its own, `pip install mlx-audio "{package}"` and '
        "`python -m mlx_audio.tts.generate` speak with it."
    )


def unknown_voice(model_id: str, voice: str, voices: tuple[str, ...]) -> InvalidRequest:
    """The refusal of a voice that the model does not have."""
    return InvalidRequest(
        f"{model_id} has no voice '{voice[:_SHOWN_CHARACTERS]}'; its voices are: "
        f"{', '.join(voices)}.",
        hint="Choose one of them, or leave `voice` out.",
        param="voice",
    )


def facts_of(folder: Path, config: Mapping[str, object], family: Family) -> SpeechFacts:
    """What folder and config say of the model."""
    flow, codec = _part(config, "flow_lm"), _part(config, "mimi")
    # Models of Gradium have it all in one object.
    transformer = _part(flow, "transformer") or flow
    voices = tuple(voices_in(folder))
    return SpeechFacts(
        family,
        voices=voices,
        default_voice=default_voice(voices),
        rate_hz=number(codec, "sample_rate"),
        width=number(transformer, "d_model"),
        layers=number(transformer, "num_layers"),
    )


def voices_in(folder: Path) -> dict[str, Path]:
    """The files of the model's voices by their names, which are in small letters."""
    found: dict[str, Path] = {}
    for name in _VOICE_FOLDERS:
        # Of two of one name the library takes the later one.
        files = sorted((folder / name).glob(f"*{_VOICE_FILE}"))
        found |= {each.stem.lower(): each for each in files}
    if (default := folder / _DEFAULT_FILE).is_file():
        found.setdefault("default", default)
    return found


def default_voice(voices: Collection[str]) -> str:
    """The one of `voices` that the library takes by itself; empty where there are none."""
    return next((each for each in (*_DEFAULT_VOICES, *voices) if each in voices), "")


def has_tokenizer(folder: Path, config: Mapping[str, object]) -> bool:
    """Whether what makes tokens of a text lies in the folder: mlx-audio would fetch it else."""
    named = config.get("tokenizer_name")
    names = (*_TOKENIZERS, named) if isinstance(named, str) else _TOKENIZERS
    return any("/" not in name and (folder / name).is_file() for name in names)


def _part(config: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = config.get(name)
    return cast("dict[str, object]", part) if isinstance(part, dict) else {}
