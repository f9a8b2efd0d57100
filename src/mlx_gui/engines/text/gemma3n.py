"""Gemma 3n for mlx-lm, which knows the names of Google's files and not those of mlx-vlm's."""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx

from mlx_gui.engines.text.mlx_lm import gemma3n, model_classes


class Gemma3n(gemma3n.Model):
    """mlx-lm's model, for weights of either names."""

    def sanitize(self, weights: Mapping[str, mx.array]) -> dict[str, mx.array]:
        """What is loaded of `weights`, by mlx-lm's names."""
        return super().sanitize({_published(name): each for name, each in weights.items()})


def classes_of(config: dict[str, Any]) -> tuple[type[Any], type[Any]]:
    """The classes that mlx-lm has for a model and its arguments, or ours in their place."""
    model, arguments = model_classes(config)
    return (Gemma3n if model is gemma3n.Model else model), arguments


def _published(name: str) -> str:
    if name.startswith("model."):
        return name
    return "model." + name.replace("language_model.model.", "language_model.", 1)
