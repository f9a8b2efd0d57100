"""A Qwen3-TTS with voices of its own, and random weights.

Its codec has fewer steps than the real one, so that a frame is 16 samples: the library tells the
layout of weights by their shapes, which wants layers of more than 64 channels.
"""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_audio.tts.models.qwen3_tts.config import (
    ModelConfig,
    Qwen3TTSTokenizerConfig,
)
from mlx_audio.tts.models.qwen3_tts.qwen3_tts import Model
from mlx_audio.tts.models.qwen3_tts.speech_tokenizer import Qwen3TTSSpeechTokenizer

from tests.zoo.tokenization import SINGLE_DIGITS, byte_level

_SEED = 23
_LONGEST = 24
_SPECIALS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<tts_pad>", "<tts_text_bos>", "<tts_text_eod>"),
)
_VOICES = {"anna": 3000, "bert": 3010}
_LOUDER = 1.4
"""Random layers swallow sound."""


def build(folder: Path) -> None:
    """Fills `folder`. It finds an end by chance alone: what it says has 24 frames at most."""
    folder.mkdir(parents=True, exist_ok=True)
    words = byte_level(SINGLE_DIGITS, first_specials=_SPECIALS)
    words.save(str(folder / "tokenizer.json"))
    ids = words.get_vocab(with_added_tokens=True)
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "Qwen2TokenizerFast"})
    _write(folder / "generation_config.json", {"max_new_tokens": _LONGEST})
    config = {
        "model_type": "qwen3_tts",
        "tts_model_type": "custom_voice",
        "tts_model_size": "1b7",
        "im_start_token_id": ids["<|im_start|>"],
        "im_end_token_id": ids["<|im_end|>"],
        "tts_pad_token_id": ids["<tts_pad>"],
        "tts_bos_token_id": ids["<tts_text_bos>"],
        "tts_eos_token_id": ids["<tts_text_eod>"],
        "talker_config": _talker(text_tokens=len(ids)),
    }
    _write(folder / "config.json", config)
    mx.random.seed(_SEED)
    _save(Model(ModelConfig.from_dict(config)), folder / "model.safetensors")
    codec = folder / "speech_tokenizer"
    codec.mkdir(exist_ok=True)
    said = {"decode_upsample_rate": 16, "decoder_config": _CODEC}
    _write(codec / "config.json", said)
    _save(
        Qwen3TTSSpeechTokenizer(Qwen3TTSTokenizerConfig(decoder_config=_CODEC)),  # pyright: ignore[reportArgumentType]
        codec / "model.safetensors",
    )


def _talker(*, text_tokens: int) -> dict[str, Any]:
    return {
        "vocab_size": 3072,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "rope_scaling": {"interleaved": True, "mrope_section": [4, 2, 2], "rope_type": "default"},
        "num_code_groups": 4,
        "text_hidden_size": 64,
        "text_vocab_size": text_tokens,
        "spk_id": _VOICES,
        "spk_is_dialect": dict.fromkeys(_VOICES, False),
        "codec_language_id": {"english": 2050, "german": 2053},
        "code_predictor_config": {
            "vocab_size": 256,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "num_code_groups": 4,
        },
    }


_CODEC = {
    "latent_dim": 80,
    "codebook_dim": 136,
    "codebook_size": 2048,
    "decoder_dim": 272,
    "hidden_size": 32,
    "intermediate_size": 64,
    "head_dim": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "num_hidden_layers": 1,
    "num_quantizers": 4,
    "upsample_rates": [4, 2],
    "upsampling_ratios": [2],
}


def _save(model: Any, file: Path) -> None:
    weights: Any = tree_flatten(model.parameters(), destination={})
    for name, array in weights.items():
        if array.ndim > 1 and ".decoder." in f".{name}" and "conv" in name:
            weights[name] = array * _LOUDER
        if "codebook" in name:
            weights[name] = mx.random.normal(array.shape)
    mx.save_safetensors(str(file), weights, metadata={"format": "mlx"})


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
