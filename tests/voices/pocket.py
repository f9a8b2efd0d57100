"""A Pocket TTS with the layers that the real one has, and random weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_audio.tts.models.pocket_tts.config import ModelConfig
from mlx_audio.tts.models.pocket_tts.pocket_tts import Model

from tests.zoo.tokenization import SINGLE_DIGITS, byte_level

_SEED = 22
_NEVER = 1000.0
"""No frame is so much of an end."""
_VOICES = {"anna": 5, "bert": 9}
"""The voices, and how many frames of sound each was made of."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How wide and deep the model is; `louder` makes up for what random layers swallow."""

    width: int
    heads: int
    layers: int
    hidden_scale: int
    flow_width: int
    flow_depth: int
    latent: int
    codec_width: int
    codec_heads: int
    codec_layers: int
    codec_filters: int
    louder: float


TINY = Shape(64, 2, 2, 2, 32, 1, 16, 32, 2, 1, 4, louder=14.0)
REAL = Shape(1024, 16, 6, 4, 512, 6, 32, 512, 8, 2, 64, louder=1.0)
"""That of Kyutai's Pocket TTS, of 100 million parameters."""


def build(folder: Path, shape: Shape = TINY) -> None:
    """Fills `folder`. It never finds an end, so that what it says is as long as it may be."""
    folder.mkdir(parents=True, exist_ok=True)
    words = byte_level(SINGLE_DIGITS)
    words.save(str(folder / "tokenizer.json"))
    said = _config(shape, n_bins=words.get_vocab_size())
    (folder / "config.json").write_text(json.dumps(said, indent=2), encoding="utf-8")
    mx.random.seed(_SEED)
    model: Any = Model(ModelConfig.from_dict({**said, "model_path": str(folder)}))
    weights = cast(dict[str, mx.array], tree_flatten(model.parameters(), destination={}))
    for name, array in weights.items():
        # The convolutions of the codec begin as zeros.
        if array.ndim > 1 and not mx.any(array).item():
            fan_in = array[0].size
            weights[name] = mx.random.normal(array.shape) * (2.0 / fan_in) ** 0.5
        if name.startswith("mimi.decoder.") and name.endswith("weight"):
            weights[name] = weights[name] * shape.louder
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "voices").mkdir(exist_ok=True)
    for name, frames in _VOICES.items():
        voice = {"audio_prompt": mx.random.normal((1, frames, shape.width)) * 0.1}
        mx.save_safetensors(str(folder / "voices" / f"{name}.safetensors"), voice)


def _config(shape: Shape, *, n_bins: int) -> dict[str, Any]:
    """Frames of 80 ms at 24 kHz."""
    return {
        "model_type": "pocket_tts",
        "eos_threshold": _NEVER,
        "flow_lm": {
            "dtype": "float32",
            "flow": {"dim": shape.flow_width, "depth": shape.flow_depth},
            "transformer": {
                "hidden_scale": shape.hidden_scale,
                "max_period": 10_000,
                "d_model": shape.width,
                "num_heads": shape.heads,
                "num_layers": shape.layers,
            },
            "lookup_table": {
                "dim": shape.width,
                "n_bins": n_bins,
                "tokenizer": "huggingface",
                "tokenizer_path": "tokenizer.json",
            },
        },
        "mimi": {
            "dtype": "float32",
            "sample_rate": 24_000,
            "channels": 1,
            "frame_rate": 12.5,
            "seanet": {
                "dimension": shape.codec_width,
                "channels": 1,
                "n_filters": shape.codec_filters,
                "n_residual_layers": 1,
                "ratios": [6, 5, 4],
                "kernel_size": 7,
                "residual_kernel_size": 3,
                "last_kernel_size": 3,
                "dilation_base": 2,
                "pad_mode": "constant",
                "compress": 2,
            },
            "transformer": {
                "d_model": shape.codec_width,
                "input_dimension": shape.codec_width,
                "output_dimensions": [shape.codec_width],
                "num_heads": shape.codec_heads,
                "num_layers": shape.codec_layers,
                "layer_scale": 0.01,
                "context": 250,
                "dim_feedforward": 4 * shape.codec_width,
                "max_period": 10_000.0,
            },
            "quantizer": {"dimension": shape.latent, "output_dimension": shape.codec_width},
        },
    }
