"""Attention, made of what MLX computes fast on an x86-64 processor; see `functions`."""

from typing import Any

import mlx.core as mx

from mlx_gui.engines.cpu.functions import FAR, FEW, LOG2_E

_SCORES = 1 << 20
"""So many are computed at a time, which bounds the memory of a long prompt as well."""

_mlx_attention = mx.fast.scaled_dot_product_attention


def scaled_dot_product_attention(
    q: mx.array,
    k: mx.array,
    v: mx.array,
    *,
    scale: float,
    mask: Any = None,
    sinks: mx.array | None = None,
    **more: Any,
) -> mx.array:
    """As MLX's: [rows, heads, tokens, values] of queries [rows, heads, tokens, size].

    Keys are [rows, groups, kept, size], values [rows, groups, kept, values]; so many heads as there
    are in a group share both.
    """
    rows, heads, tokens, size = q.shape
    groups, kept = k.shape[1:3]
    floats = all(each.dtype == mx.float32 for each in (q, k, v))
    many = rows * heads * tokens * kept > FEW
    if not (floats and many) or sinks is not None or more:
        return _mlx_attention(q, k, v, scale=scale, mask=mask, sinks=sinks, **more)
    # The scores' powers are of two, not of e. Heads that share a key are one product with it.
    q = (q * (scale * LOG2_E)).reshape(rows, groups, heads // groups, tokens, size)
    keys = k.swapaxes(-1, -2)
    hides = None if mask is None else _hides(mask, heads=heads, groups=groups, q=tokens, k=kept)
    at_once = max(1, _SCORES // (rows * heads * kept))
    parts = [
        _attended(q[..., start : start + at_once, :], keys, v, _rows(hides, start, at_once))
        for start in range(0, tokens, at_once)
    ]
    whole = parts[0] if len(parts) == 1 else mx.concatenate(parts, axis=3)
    return whole.reshape(rows, heads, tokens, v.shape[-1])


def _attended(q: mx.array, keys: mx.array, v: mx.array, hides: mx.array | None) -> mx.array:
    """Of some queries [rows, groups, heads of a group, tokens, size], the same of values."""
    rows, groups, shared, tokens, size = q.shape
    scores = q.reshape(rows, groups, shared * tokens, size) @ keys
    if hides is not None:
        scores = scores.reshape(rows, groups, shared, tokens, -1) + hides
        scores = scores.reshape(rows, groups, shared * tokens, -1)
    powers = mx.power(2.0, scores - mx.max(scores, axis=-1, keepdims=True))
    values = (powers @ v) / mx.sum(powers, axis=-1, keepdims=True)
    return values.reshape(rows, groups, shared, tokens, -1)


def _hides(mask: Any, *, heads: int, groups: int, q: int, k: int) -> mx.array:
    """What is added to the scores [rows, groups, heads of a group, queries, keys].

    `mask` says which count, or is added to scores of powers of e, or lets each of `q` queries see
    the `k` keys up to its own.
    """
    if isinstance(mask, str):
        mask = mx.arange(k - q, k)[:, None] >= mx.arange(k)
    if mask.dtype == mx.bool_:
        # Quicker than a choice between two numbers. Not infinity: a query that sees no key at all
        # would become none.
        added = (mask.astype(mx.float32) - 1) * FAR
    else:
        added = mx.maximum(mask.astype(mx.float32) * LOG2_E, -FAR)
    if added.ndim < 3:
        return added
    of_heads = added.shape[-3]
    split = (1, 1) if of_heads == 1 else (groups, heads // groups)
    return added.reshape(*added.shape[:-3], *split, *added.shape[-2:])


def _rows(hides: mx.array | None, start: int, count: int) -> mx.array | None:
    """What is added to the scores of some of the queries; one row may be that of all."""
    if hides is None or hides.ndim < 2 or hides.shape[-2] == 1:
        return hides
    return hides[..., start : start + count, :]
