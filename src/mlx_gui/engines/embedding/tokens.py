"""The vectors of tokens, computed by the library or, where that reads them wrongly, beside it."""

from typing import Any

import mlx.core as mx

from mlx_gui.engines.encoder.engine import Rows


def token_vectors(model: Any, rows: Rows) -> mx.array:
    """A vector in 32 bits for each token of each row; what stands in the padding means nothing."""
    if model.model_type == "gemma3_embedding" and rows.ids.shape[1] > _reach(model.model):
        return _gemma(model.model, rows).astype(mx.float32)
    # It pools too, which nobody evaluates.
    output = model(rows.ids, attention_mask=rows.mask)
    return output.last_hidden_state.astype(mx.float32)


def _reach(model: Any) -> int:
    """How far a token looks to either side, itself included.

    The window of a model that looks both ways is half to each side, as transformers has it.
    """
    return model.window_size // 2 + 1


def _gemma(model: Any, rows: Rows) -> mx.array:
    """Texts longer than the window, which the library forgets where it gets a mask."""
    hidden = model.embed_tokens(rows.ids)
    hidden = hidden * mx.array(model.config.hidden_size**0.5, mx.bfloat16).astype(hidden.dtype)
    lowest = mx.array(mx.finfo(hidden.dtype).min, hidden.dtype)
    places = mx.arange(rows.ids.shape[1])
    near = mx.abs(places[:, None] - places[None, :]) < _reach(model)
    there = rows.mask[:, None, None, :] == 1
    nothing = mx.zeros((), hidden.dtype)
    everywhere = mx.where(there, nothing, lowest)
    nearby = mx.where(there & near[None, None], nothing, lowest)
    for number, layer in enumerate(model.layers):
        pattern = model.sliding_window_pattern
        hidden = layer(hidden, everywhere if number % pattern == pattern - 1 else nearby, None)
    return model.norm(hidden)
