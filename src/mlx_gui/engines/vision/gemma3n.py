"""Gemma 3n: the tower of mlx-vlm before the language model of mlx-lm.

mlx-vlm's own language model reads prompts with a table that is not scaled, and turns queries by
their place behind the chunk that is read where layers share what others keep. Its tokens of a
picture run along columns. Here all of that is as the model was trained.
"""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

from mlx_gui.engines.text.mlx_lm import gemma3n
from mlx_gui.engines.text.pictures import Glance, Placed

MODEL_TYPE = "gemma3n"
_SCALE = "correct_output_scale"
"""The one parameter that is no layer's weight."""


def with_language_of_mlx_lm(model: Any, config: Mapping[str, Any]) -> nn.Module:
    """The language model that stands in `model` from now on, with the weights of its own.

    What `model` hears with is dropped, so that it is never read.
    """
    own = model.language_model.model
    language: Any = gemma3n.LanguageModel(gemma3n.TextConfig.from_dict(config["text_config"]))
    # Layers as they are, since those that are packed are of other classes.
    layers = [(path, layer) for path, layer in own.named_modules() if "weight" in layer]
    language.update_modules(tree_unflatten(layers))
    scales = [
        (f"{path}.{_SCALE}", layer[_SCALE])
        for path, layer in own.named_modules()
        if _SCALE in layer
    ]
    language.update(tree_unflatten(scales))
    model.language_model = language
    del model.audio_tower, model.embed_audio
    return language


def embed(language: Any, tokens: mx.array) -> mx.array:
    """What the layers are fed for `tokens` [rows, tokens]."""
    return language.embed_tokens(tokens) * language.hidden_size**0.5


def look(model: Any, picture: Placed) -> Glance:
    """Block by block: on a processor all of them take most of a minute.

    A picture's last token, which ends it, has its values from the tower's own table.
    """
    tower = model.vision_tower.timm_model
    # The library's towers want [1, colours, rows, columns] and compute with colours last.
    values = tower.conv_stem(mx.array(picture.pixels["pixel_values"]).transpose(0, 2, 3, 1))
    looked: list[mx.array] = []
    for stage, blocks in enumerate(tower.blocks, start=1):
        for block in blocks:
            values = block(values)
            mx.eval(values)
            mx.clear_cache()
            yield
        if stage in tower.msfa_indices:
            looked.append(values)
    # [1, columns, rows, values] until they change places.
    seen = tower.msfa(looked).swapaxes(1, 2)
    width = seen.shape[-1]
    soft = model.embed_vision(inputs_embeds=seen.reshape(1, -1, width) * width**0.5)
    hard = model.embed_vision(input_ids=mx.array([picture.ids[-1:]]))
    seen = mx.concatenate([soft, hard], axis=1)[0]
    mx.eval(seen)
    mx.clear_cache()
    return seen
