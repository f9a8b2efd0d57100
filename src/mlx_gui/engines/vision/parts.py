"""What the text engine is given of a model that sees: its language model, its table, its tower."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from mlx_gui.engines.text.pictures import Glance, Placed, Tower
from mlx_gui.engines.vision import gemma3n
from mlx_gui.engines.vision.language import Language


@dataclass(frozen=True, slots=True)
class Parts:
    """`language` and `embed` are those of a `engines.text.network.Network`."""

    language: nn.Module
    embed: Callable[[mx.array], mx.array]
    tower: Tower


def parts_of(model: Any, config: Mapping[str, Any], *, position_axes: int) -> Parts:
    """The parts of mlx-vlm's `model`, none of whose weights need be in memory yet."""
    if config["model_type"] == gemma3n.MODEL_TYPE:
        language = gemma3n.with_language_of_mlx_lm(model, config)
        return Parts(language, partial(gemma3n.embed, language), partial(gemma3n.look, model))
    language = Language(model.language_model, position_axes)
    return Parts(language, model.language_model.model.embed_tokens, partial(_look, model))


def _look(model: Any, picture: Placed) -> Glance:
    """In one part: to the library it is a prompt of this picture alone."""
    ids = mx.array([picture.ids])
    pixels = {name: mx.array(value) for name, value in picture.pixels.items()}
    features = model.get_input_embeddings(ids, mask=mx.ones_like(ids), **pixels)
    values = features.inputs_embeds[0]
    mx.eval(values)
    # Scores of a whole picture are larger than anything that a prompt needs.
    mx.clear_cache()
    yield from ()
    return values
