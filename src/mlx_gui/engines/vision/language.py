"""The language model inside one of mlx-vlm's, called as those of mlx-lm are.

Its caches are mlx-lm's: the two libraries call them alike, and a batch is made of these.
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_gui.engines.text.inputs import NOTHING
from mlx_gui.engines.text.mlx_lm import KVCache, RotatingKVCache


class Language(nn.Module):
    """See the module. With `position_axes` each token is given so many positions."""

    def __init__(self, language_model: Any, position_axes: int) -> None:
        super().__init__()
        self.language_model = language_model
        self._position_axes = position_axes

    def __call__(
        self,
        tokens: mx.array,
        cache: Sequence[Any],
        input_embeddings: mx.array | None = None,
        positions: mx.array | None = None,
    ) -> mx.array:
        """Logits [rows, tokens, vocabulary]. Without `positions` a single row's are counted."""
        more: dict[str, mx.array] = {}
        if self._position_axes:
            more["position_ids"] = self._counted(tokens, cache) if positions is None else positions
        return self.language_model(
            tokens, inputs_embeds=input_embeddings, cache=cache, **more
        ).logits

    @property
    def layers(self) -> Sequence[nn.Module]:
        return self.language_model.layers

    def make_cache(self) -> list[Any]:
        """Empty caches of mlx-lm's for one sequence, one a layer that has any.

        Those of another kind stay the library's own, and cannot be put together into a batch.
        """
        if not hasattr(self.language_model, "make_cache"):
            return [KVCache() for _ in self.layers]
        return [_as_mlx_lm(layer) for layer in self.language_model.make_cache()]

    def _counted(self, tokens: mx.array, cache: Sequence[Any]) -> mx.array:
        start = int(cache[0].offset)
        counted = NOTHING.positions_at(start, tokens.shape[1], axes=self._position_axes)
        return mx.array(np.ascontiguousarray(counted))[:, None]


def _as_mlx_lm(layer: Any) -> Any:
    match type(layer).__name__:
        case "KVCache":
            return KVCache()
        case "RotatingKVCache":
            return RotatingKVCache(max_size=layer.max_size, keep=layer.keep)
        case _:
            return layer
