"""Functions of numbers, made of what MLX computes fast on an x86-64 processor.

Its build for these has no vector instructions of its own: a sum or a product of two arrays becomes
them by the compiler and takes 0.4 ns a number, but an `exp` takes 21, an `erf` 50. So `erf` and
`tanh` are quotients of polynomials here, and powers of e are powers of two, which the C library
computes in 9. Each is given what MLX's own is given, and hands on what is not float32, and what is
so little that its one operation is done before our several have begun.
"""

import math
from collections.abc import Sequence
from typing import Any

import mlx.core as mx

LOG2_E = math.log2(math.e)

FEW = 1 << 13
"""MLX's own are as fast for so many numbers."""

_PART = 1 << 16
"""So many numbers stay in a core's own cache from one operation to the next."""

_Rational = tuple[float, tuple[float, ...], tuple[float, ...]]
"""Where the function has become 1, and the coefficients of both polynomials in x², from x⁰ on."""

# Both by least squares over 4,000 points in 64 bits, weighted anew until the largest relative error
# was at its smallest: 2.5e-8 and 2.1e-8, below what 32 bits can tell apart.
_ERF: _Rational = (
    4.0,
    (
        1.1283791393518472,
        0.19354373046649248,
        0.05310151966652367,
        0.003883272028393936,
        0.0002845619577460336,
        1.986763538674883e-06,
    ),
    (
        1.0,
        0.5048562213271715,
        0.1153494043724795,
        0.01520711006292624,
        0.0011855492499115187,
        3.741977018666911e-05,
    ),
)
_TANH: _Rational = (
    9.0,
    (
        0.9999999794888279,
        0.13381008827017626,
        0.003495568080812525,
        2.0608753664511618e-05,
        1.3354216482870677e-08,
    ),
    (
        1.0,
        0.4671432443123787,
        0.025876906088811224,
        0.000328560203100355,
        7.776373572000505e-07,
    ),
)

FAR = 3e38
"""As far from any number that a model computes with as 32 bits go."""

_mlx_erf, _mlx_tanh, _mlx_sigmoid = mx.erf, mx.tanh, mx.sigmoid
_mlx_softmax, _mlx_logsumexp = mx.softmax, mx.logsumexp

Axis = int | Sequence[int] | None


def erf(a: Any, /, **more: Any) -> mx.array:
    """The error function of each number."""
    return _in_parts(_ERF, a) if _is_ours(a, more) else _mlx_erf(a, **more)


def tanh(a: Any, /, **more: Any) -> mx.array:
    """The hyperbolic tangent of each number."""
    return _in_parts(_TANH, a) if _is_ours(a, more) else _mlx_tanh(a, **more)


def sigmoid(a: Any, /, **more: Any) -> mx.array:
    """1 / (1 + exp(-a)) of each number."""
    if not _is_ours(a, more):
        return _mlx_sigmoid(a, **more)
    return 1 / (1 + mx.power(2.0, a * -LOG2_E))


def softmax(a: Any, /, axis: Axis = None, *, precise: bool = False, **more: Any) -> mx.array:
    """exp(a) of each number by their sum along `axis`; along all axes where that is None."""
    if not _is_ours(a, more):
        return _mlx_softmax(a, axis, precise=precise, **more)
    powers = mx.power(2.0, (a - mx.max(a, axis=axis, keepdims=True)) * LOG2_E)
    return powers / mx.sum(powers, axis=axis, keepdims=True)


def logsumexp(a: Any, /, axis: Axis = None, keepdims: bool = False, **more: Any) -> mx.array:
    """The logarithm of the sum of exp(a) along `axis`; along all axes where that is None."""
    if not _is_ours(a, more):
        return _mlx_logsumexp(a, axis, keepdims, **more)
    # Where all are minus infinity, so is their sum.
    highest = mx.maximum(mx.max(a, axis=axis, keepdims=True), -FAR)
    powers = mx.power(2.0, (a - highest) * LOG2_E)
    whole = mx.log(mx.sum(powers, axis=axis, keepdims=True)) + highest
    return whole if keepdims else mx.squeeze(whole, axis)


def _is_ours(a: Any, more: dict[str, Any]) -> bool:
    """Whether they are many, MLX would compute them with 32 bits, and nobody names a stream."""
    return not more and isinstance(a, mx.array) and a.dtype == mx.float32 and a.size > FEW


def _in_parts(rational: _Rational, a: mx.array) -> mx.array:
    """A part after the other: what is on the way to the result takes no more than a part of it."""
    if a.size <= _PART:
        return _computed(rational, a)
    parts = mx.split(a.reshape(-1), range(_PART, a.size, _PART))
    return mx.concatenate([_computed(rational, part) for part in parts]).reshape(a.shape)


def _computed(rational: _Rational, a: mx.array) -> mx.array:
    end, above, below = rational
    # Both bounds keep what is no number, which says that something went wrong before.
    a = mx.clip(a, -end, end)
    square = a * a
    return a * _polynomial(square, above) / _polynomial(square, below)


def _polynomial(a: mx.array, coefficients: Sequence[float]) -> mx.array:
    *lower, highest = coefficients
    value: Any = highest
    for coefficient in reversed(lower):
        value = value * a + coefficient
    return value
