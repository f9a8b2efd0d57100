"""The vectors of tokens become that of a text, as sentence-transformers does it."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import mlx.core as mx

from mlx_gui.kinds.sentence_files import PoolingMode

Pool = Callable[[mx.array, mx.array, mx.array], mx.array]
"""Of vectors (rows, tokens, numbers), the mask and the lengths of the rows."""


def pooled(
    tokens: mx.array, mask: mx.array, lengths: mx.array, *, modes: Sequence[PoolingMode]
) -> mx.array:
    """A vector for each row; those of several `modes` are put together."""
    each = [_MODES[mode](tokens, mask[:, :, None], lengths[:, None]) for mode in modes]
    return each[0] if len(each) == 1 else mx.concatenate(each, axis=-1)


def _first(tokens: mx.array, _mask: mx.array, _lengths: mx.array) -> mx.array:
    return tokens[:, 0]


def _last(tokens: mx.array, _mask: mx.array, lengths: mx.array) -> mx.array:
    return mx.take_along_axis(tokens, lengths[:, :, None] - 1, axis=1)[:, 0]


def _largest(tokens: mx.array, mask: mx.array, _lengths: mx.array) -> mx.array:
    return mx.max(mx.where(mask, tokens, -mx.inf), axis=1)


def _sum(tokens: mx.array, mask: mx.array) -> mx.array:
    # What stands in the padding may be anything, also no number.
    return mx.sum(mx.where(mask, tokens, 0), axis=1)


def _mean(tokens: mx.array, mask: mx.array, lengths: mx.array) -> mx.array:
    return _sum(tokens, mask) / lengths


def _mean_of_root(tokens: mx.array, mask: mx.array, lengths: mx.array) -> mx.array:
    return _sum(tokens, mask) / mx.sqrt(lengths.astype(tokens.dtype))


def _weighted(tokens: mx.array, mask: mx.array, lengths: mx.array) -> mx.array:
    """Later tokens count more: the first one once, the second twice."""
    places = mx.arange(1, tokens.shape[1] + 1, dtype=tokens.dtype)[None, :, None]
    counts = lengths.astype(tokens.dtype)
    return _sum(tokens * places, mask) / (counts * (counts + 1) / 2)


_MODES: Mapping[PoolingMode, Pool] = MappingProxyType(
    {
        "cls": _first,
        "lasttoken": _last,
        "max": _largest,
        "mean": _mean,
        "mean_sqrt_len": _mean_of_root,
        "weightedmean": _weighted,
    }
)
