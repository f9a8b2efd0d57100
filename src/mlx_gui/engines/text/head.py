"""The head of a model, which makes logits of what the layers end with.

A prompt needs logits of its last token only, but a model makes them of all it is fed, which costs a
small one a quarter of its layers' time. So mlx-lm feeds the last token by itself: one more step for
each answer. Here the head is told which position of each row it is for.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import cast

import mlx.core as mx
import mlx.nn as nn

from mlx_gui.engines.text.mlx_lm import make_prompt_cache

_EMBEDDINGS = (nn.Embedding, nn.QuantizedEmbedding)
_HEADS = (*_EMBEDDINGS, nn.Linear, nn.QuantizedLinear)


class Head:
    """Of `model`, of which all that may be its head is watched from now on.

    `selective` is whether it can be asked for less than everything.
    """

    def __init__(self, model: nn.Module, vocabulary: int) -> None:
        self._places: mx.array | None = None
        watched = [
            (layer, type(layer))
            for _, layer in model.named_modules()
            if type(layer) in _HEADS and layer["weight"].shape[0] == vocabulary
        ]
        for layer, kind in watched:
            layer.__class__ = _watched(kind, self)
        self.selective = self._is_obeyed(model)
        if not self.selective:
            for layer, kind in watched:
                layer.__class__ = kind

    @contextmanager
    def only(self, places: Sequence[int]) -> Generator[None]:
        """The model makes logits [rows, 1, vocabulary] of one position in each row."""
        self._places = mx.array(list(places))
        try:
            yield
        finally:
            self._places = None

    def wanted(self, hidden: mx.array) -> mx.array:
        """Of `hidden` [rows, tokens, values] what logits are wanted of."""
        if self._places is None:
            return hidden
        return hidden[mx.arange(hidden.shape[0]), self._places][:, None]

    def _is_obeyed(self, model: nn.Module) -> bool:
        """Looks at shapes alone: nothing is computed."""
        try:
            with self.only([0]):
                logits = model(mx.zeros((1, 2), mx.int32), cache=make_prompt_cache(model))
        except (IndexError, RuntimeError, ValueError):
            # What only looked like the head cannot do with less.
            return False
        return logits.shape[:2] == (1, 1)


def _watched(kind: type[nn.Module], head: Head) -> type[nn.Module]:
    """A kind of layer that computes, where it may be the head, what is wanted of it."""
    method = "as_linear" if issubclass(kind, _EMBEDDINGS) else "__call__"
    compute = getattr(kind, method)

    def compute_wanted(layer: nn.Module, hidden: mx.array) -> mx.array:
        return compute(layer, head.wanted(hidden))

    return cast(type[nn.Module], type(kind.__name__, (kind,), {method: compute_wanted}))
