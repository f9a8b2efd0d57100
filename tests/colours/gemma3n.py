"""Gemma 3n of a size for tests, put together of what is right in two libraries.

The tower is mlx-vlm's, whose sizes are no setting; the language model is mlx-lm's. What the two
make of a picture and of text is fed as transformers' model file has it: tables are scaled, pictures
are not, and tokens of a picture run along its rows.
"""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models import gemma3n as text
from mlx_vlm.models.gemma3n import vision

from tests.zoo.blueprint import Json

_CHANNELS = 8


class SmallTower(vision.VisionTower):
    """A tower with one block or two in each of its four stages."""

    def __init__(self, config: Any) -> None:
        nn.Module.__init__(self)
        self.conv_stem = vision.ConvNormAct(
            vision.Conv2dSame, 3, _CHANNELS, kernel_size=3, stride=2, eps=1e-5, bias=True
        )
        _, self.blocks = self.build()
        self.msfa_indices = (3, 4)
        self.msfa_output_resolution = (2, 2)
        self.msfa = vision.MobileNetV5MultiScaleFusionAdapter(
            in_chs=[4 * _CHANNELS, 4 * _CHANNELS],
            out_chs=config.hidden_size,
            output_resolution=self.msfa_output_resolution,
        )


def shrink_tower() -> None:
    """Have mlx-vlm build small towers from now on."""
    vision.VisionTower = SmallTower
    vision.gemma3n_mobilenet_def = _stages


def _stages() -> list[list[Any]]:
    return [
        [vision._er(3, _CHANNELS, 2, 2.0)],
        [vision._uir(3, 5, 2 * _CHANNELS, 2, 2.0)],
        [vision._uir(5, 5, 4 * _CHANNELS, 2, 2.0), vision._mmqa(2, 8, 2)],
        [vision._uir(5, 5, 4 * _CHANNELS, 2, 2.0), vision._mmqa(2, 8, 1)],
    ]


def with_language(model: Any, config: Json) -> Any:
    """The library's `model` with mlx-lm's language model in place of its own, and no ears."""
    made = text.LanguageModel(text.TextConfig.from_dict(config["text_config"]))
    for layer in made.layers:
        layer.altup.correct_output_scale = mx.ones_like(layer.altup.correct_output_scale)
    model.language_model = made
    # As large as after a training.
    for _, layer in model.vision_tower.named_modules():
        if isinstance(layer, vision.LayerScale2d):
            layer.gamma = mx.ones_like(layer.gamma)
    return model


def embedded(model: Any, table: nn.Module, ids: mx.array, pixels: mx.array | None) -> mx.array:
    """What a language model with this `table` is fed for `ids` [1, tokens]."""
    values = table(ids) * model.config.text_config.hidden_size**0.5
    if pixels is None:
        return values
    seen = model.embed_vision
    own = mx.logical_and(ids >= seen.vocab_offset, ids < seen.vocab_offset + seen.vocab_size)[
        ..., None
    ]
    values = mx.where(own, seen(input_ids=mx.where(own[..., 0], ids, seen.vocab_offset)), values)
    # The library's tower has columns before rows.
    rows = model.vision_tower(pixels).swapaxes(1, 2)
    width = rows.shape[-1]
    looked = seen(inputs_embeds=rows.reshape(1, -1, width) * width**0.5)[0]
    soft = (ids[0] == model.config.image_token_id)[:, None]
    places = mx.maximum(mx.cumsum(soft[:, 0].astype(mx.int32)) - 1, 0)
    return mx.where(soft, looked[places].astype(values.dtype), values[0])[None]


def as_published(weights: dict[str, mx.array]) -> dict[str, mx.array]:
    """Names and layouts as in the files that Google has published."""
    return {
        f"model.{name}": value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
        for name, value in weights.items()
    }
