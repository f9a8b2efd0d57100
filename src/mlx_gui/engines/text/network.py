"""A model as the decoders call it: with ids, and what a prompt is fed beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_gui.engines.text.head import Head
from mlx_gui.engines.text.inputs import Inputs


@dataclass(frozen=True, slots=True)
class Network:
    """`model` is called with tokens [rows, tokens] and a cache, one member a layer.

    It returns logits [rows, tokens, vocabulary], or those that `head` is told. `embed` makes of
    tokens what the model computes with, [rows, tokens, values]; None for one that reads ids only.
    A model that cannot count its tokens by itself is given `position_axes` numbers for each.
    """

    model: nn.Module
    head: Head
    embed: Callable[[mx.array], mx.array] | None = None
    position_axes: int = 0

    def __call__(
        self,
        tokens: mx.array,
        cache: Sequence[Any],
        *,
        inputs: Sequence[Inputs],
        starts: Sequence[int],
    ) -> mx.array:
        """The logits after each of `tokens`; nothing is computed before they are evaluated.

        Of each row's sequence, whose `inputs` these are, they are the tokens from `starts` on.
        """
        more: dict[str, mx.array] = {}
        embeddings = self._embeddings(tokens, inputs, starts)
        if embeddings is not None:
            more["input_embeddings"] = embeddings
        if self.position_axes:
            placed = [
                each.positions_at(start, tokens.shape[1], axes=self.position_axes)
                for each, start in zip(inputs, starts, strict=True)
            ]
            more["positions"] = mx.array(np.stack(placed, axis=1))
        return self.model(tokens, cache=cache, **more)

    def _embeddings(
        self, tokens: mx.array, inputs: Sequence[Inputs], starts: Sequence[int]
    ) -> mx.array | None:
        """What `tokens` are fed as, where something is given in place of any; else None."""
        count = tokens.shape[1]
        rows = list(zip(inputs, starts, strict=True))
        if not any(each.reaches(start, count) for each, start in rows):
            return None
        assert self.embed is not None, "nothing is given to a model that reads ids only"
        return mx.stack(
            [
                each.laid_over(own, start, count)
                for own, (each, start) in zip(self.embed(tokens), rows, strict=True)
            ]
        )
