"""What the files of a model that speaks say: its family, its voices, why it is not served."""

from collections.abc import Collection, Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

import msgspec

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.model import KindFacts
from mlx_gui.kinds.checkpoint import read_json_object
from mlx_gui.kinds.numbers import number

Family = Literal["pocket_tts", "qwen3_tts"]
"""Families of mlx-audio's that are driven step by step."""

_FAMILY_OF: Mapping[str, Family] = MappingProxyType(
    {"gradium_phonon_tts": "pocket_tts", "pocket_tts": "pocket_tts", "qwen3_tts": "qwen3_tts"}
)
_OTHERS = (
    *("audiodit", "bark", "breeze_tts", "chatterbox", "chatterbox_turbo", "csm", "dia"),
    *("echo_tts", "fish_qwen3_omni", "higgs_audio", "higgs_audio_v3", "higgs_multimodal_qwen3"),
    *("indextts", "irodori_tts", "kitten", "kitten_tts", "kokoro", "kugelaudio", "melotts"),
    *("moss_tts_delay", "moss_tts_local", "moss_tts_nano", "omnivoice", "outetts"),
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
_FETCHING = frozenset(
    {
        *("audiodit", "bark", "chatterbox", "chatterbox_turbo", "csm", "dia", "echo_tts"),
        *("higgs_audio", "indextts", "irodori_tts", "kugelaudio", "outetts", "sesame"),
        *("vibevoice", "vibevoice_streaming", "zonos2"),
    }
)
"""Types whose tokenizers or codecs lie in other repos, by names that mlx-audio has for them."""
_IMITATING = frozenset({"higgs_audio_v3", "higgs_multimodal_qwen3"})
"""Types without voices of their own, whose batch gives the sound of a text when it is whole."""

_SHOWN_CHARACTERS = 40
_VOICE_FOLDERS = ("voices", "embeddings")
_VOICE_FILE = ".safetensors"
_DEFAULT_FILE = "default-voice.safetensors"
_DEFAULT_VOICES = ("default", "alba")
_TOKENIZERS = ("tokenizer.model", "tokenizer.json")
_TOKENIZERS_OF_QWEN = ("tokenizer.json", "vocab.json")
CODEC_FOLDER = "speech_tokenizer"
"""Where Qwen3-TTS keeps what makes samples of its codes."""
_OWN_VOICES = "custom_voice"
_OTHER_QWENS: Mapping[str, str] = MappingProxyType(
    {
        "base": "It has no voices: it imitates those of recordings, which are not taken here. "
        "Fetch the CustomVoice of the same model, which has some.",
        "voice_design": "It makes a voice of its description, which is not taken here. Fetch the "
        "CustomVoice of the same model, which has voices.",
    }
)
_SMALL_QWEN = "0b6"
_QWEN_RATE_HZ = 24_000
_QWEN_FRAMES = 2048
_QWEN_RATES: Mapping[str, list[int]] = MappingProxyType(
    {"upsample_rates": [8, 5, 4, 3], "upsampling_ratios": [2, 2]}
)
"""By how much its codec makes more of a frame, step by step, where its config does not say."""
_CONFIG = "config.json"


class SpeechFacts(KindFacts, msgspec.Struct, frozen=True):
    """The voices of a model, the one that speaks where none is asked for, and its shape.

    `follows` is whether it is told how to speak. The rest is for `kinds/speech_memory.py`: `width`
    and `layers` are those of what reads the text, `kept` the numbers that are kept of each frame,
    `frames` the longest that is spoken in one go, and `waves` how much the codec makes of a frame:
    its samples, in as many channels as it begins with.
    """

    family: Family = "pocket_tts"
    voices: tuple[str, ...] = ()
    default_voice: str = ""
    rate_hz: int = 0
    width: int = 0
    layers: int = 0
    follows: bool = False
    kept: int = 0
    frames: int = 0
    waves: int = 0


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
    if model_type in _FETCHING:
        return (
            f"Speech models of the type '{model_type}' fetch their tokenizer or codec from another "
            "repo of the hub whenever they are loaded: no model here fetches anything."
        )
    if model_type in _IMITATING:
        return (
            f"Speech models of the type '{model_type}' have no voices: they imitate those of "
            "recordings, which are not taken here, and without one speak in another voice each "
            "time."
        )
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
    """What folder and config say of the model. Raises DamagedFile."""
    if family == "qwen3_tts":
        return _qwen_facts(folder, config)
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


def _qwen_facts(folder: Path, config: Mapping[str, object]) -> SpeechFacts:
    talker = _part(config, "talker_config")
    voices = tuple(each.lower() for each in _part(talker, "spk_id"))
    codec: Mapping[str, object] = {}
    if (described := folder / CODEC_FOLDER / _CONFIG).exists():
        codec = _part(read_json_object(described), "decoder_config")
    generation: Mapping[str, object] = {}
    if (file := folder / "generation_config.json").exists():
        generation = read_json_object(file)
    layers = number(talker, "num_hidden_layers")
    return SpeechFacts(
        "qwen3_tts",
        voices=voices,
        default_voice=next(iter(voices), ""),
        rate_hz=number(config, "sample_rate") or _QWEN_RATE_HZ,
        width=number(talker, "hidden_size"),
        layers=layers,
        follows=config.get("tts_model_size") != _SMALL_QWEN,
        kept=2 * layers * number(talker, "num_key_value_heads") * number(talker, "head_dim")
        + 2
        * number(codec, "num_hidden_layers")
        * number(codec, "num_key_value_heads")
        * number(codec, "head_dim"),
        frames=number(generation, "max_new_tokens") or _QWEN_FRAMES,
        waves=number(codec, "decoder_dim") * _samples_of(codec),
    )


def _samples_of(codec: Mapping[str, object]) -> int:
    """Of one frame."""
    rates = [codec.get(name, usual) for name, usual in _QWEN_RATES.items()]
    steps = [each for rate in rates if isinstance(rate, list) for each in cast(list[object], rate)]
    return prod(each for each in steps if isinstance(each, int))


def why_not_this_variant(config: Mapping[str, object]) -> str | None:
    """What of `why_not_these` its config.json alone tells."""
    if type_of(config) != "qwen3_tts":
        return None
    variant = str(config.get("tts_model_type", "base"))
    if variant != _OWN_VOICES:
        return _OTHER_QWENS.get(variant, f"mlx-gui does not serve Qwen3-TTS of {variant!r}.")
    if not _part(_part(config, "talker_config"), "spk_id"):
        return "Its config.json names no voices (spk_id)."
    return None


def why_not_these(folder: Path, config: Mapping[str, object], own: SpeechFacts) -> str | None:
    """The sentence why this model of a family that is driven is not served; None if it is.

    Most of it the library would fetch by itself, while it runs, or do without.
    """
    if not has_tokenizer(folder, config):
        names = " or ".join(_tokenizers(config))
        return (
            f"It has no tokenizer in its folder: fetch the model again, or put {names} of the "
            "original there."
        )
    if own.family == "qwen3_tts":
        return why_not_this_variant(config)
    if not own.voices:
        return (
            "It has no voice in its folder: put files of voices there, as "
            "voices/NAME.safetensors of the original model."
        )
    return None


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
    return any("/" not in name and (folder / name).is_file() for name in _tokenizers(config))


def _tokenizers(config: Mapping[str, object]) -> tuple[str, ...]:
    if config.get("model_type") == "qwen3_tts":
        return _TOKENIZERS_OF_QWEN
    named = config.get("tokenizer_name")
    return (*_TOKENIZERS, named) if isinstance(named, str) else _TOKENIZERS


def _part(config: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = config.get(name)
    return cast("dict[str, object]", part) if isinstance(part, dict) else {}
