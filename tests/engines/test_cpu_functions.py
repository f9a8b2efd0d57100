"""The functions in MLX's place on an x86-64 processor, beside the C library and MLX's own."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.engines.remote import RemoteEngine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="macOS has Accelerate")

SIX_TOKENS = np.tril(np.ones((6, 9), bool), 3)
ROW_MASK = np.array([[[[True] * 9]], [[[False] * 4 + [True] * 5]]])
HEADS_MASK = np.where(np.arange(8)[:, None, None] + np.arange(9) > 7, 0, -np.inf) + np.zeros(
    (1, 8, 6, 9)
)


def found(engine: RemoteEngine, function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` makes in a process in which the names of MLX are the replaced ones."""
    return engine.child.call(function, *arguments)


@pytest.mark.parametrize(
    ("name", "expected", "error"),
    [
        ("erf", math.erf, 1e-6),
        ("tanh", math.tanh, 1e-6),
        ("sigmoid", lambda x: 1 / (1 + math.exp(-x)), 2e-6),
    ],
)
def test_each_number_is_within_a_millionth(
    engine: RemoteEngine, name: str, expected: Callable[[float], float], error: float
) -> None:
    # More than one part of them, and not a whole number of parts.
    numbers = np.concatenate([np.linspace(-12, 12, 150_001), np.geomspace(1e-30, 1, 1001)]).astype(
        np.float32
    )
    computed = found(engine, computed_by, name, numbers)
    exact = np.array([expected(float(number)) for number in numbers])
    np.testing.assert_allclose(computed, exact, rtol=error)


@pytest.mark.parametrize("name", ["erf", "tanh", "sigmoid"])
def test_what_lies_at_the_ends_is_there(engine: RemoteEngine, name: str) -> None:
    numbers = np.array([-np.inf, -1e30, -100, 0, 100, 1e30, np.inf, np.nan], np.float32)
    low, middle = {"sigmoid": (0, 0.5)}.get(name, (-1, 0))
    computed = found(engine, computed_by, name, numbers)
    expected = [low, low, low, middle, 1, 1, 1, np.nan]
    np.testing.assert_allclose(computed, expected, atol=1e-7)


@pytest.mark.parametrize("axis", [-1, 0, (0, 2), None])
def test_along_an_axis_they_are_mlx_s_own(engine: RemoteEngine, axis: Any) -> None:
    numbers = np.random.default_rng(0).normal(0, 20, (3, 5, 700)).astype(np.float32)
    numbers[0, :, :90] = -np.inf
    ours, theirs, shapes = found(engine, along, numbers, axis)
    np.testing.assert_allclose(ours["softmax"], theirs["softmax"], atol=1e-6)
    np.testing.assert_allclose(ours["logsumexp"], theirs["logsumexp"], rtol=1e-6)
    assert shapes[0] == shapes[1]


def test_of_nothing_but_minus_infinity_the_sum_is_nothing(engine: RemoteEngine) -> None:
    numbers = np.full((2, 3), -np.inf, np.float32)
    ours, theirs, _ = found(engine, along, numbers, -1)
    assert ours["logsumexp"].tolist() == theirs["logsumexp"].tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("name", ["erf", "tanh", "sigmoid", "softmax", "logsumexp"])
def test_what_is_not_of_32_bits_stays_with_mlx(engine: RemoteEngine, name: str) -> None:
    assert found(engine, kinds_of, name) == (True, True, True)


@pytest.mark.parametrize("name", ["erf", "tanh", "sigmoid", "softmax", "logsumexp"])
def test_what_is_little_stays_with_mlx(engine: RemoteEngine, name: str) -> None:
    assert found(engine, few_are_mlx_s_own, name)


@pytest.mark.parametrize("at_once", [1 << 20, 200, 1])
@pytest.mark.parametrize("groups", [8, 2, 1])
@pytest.mark.parametrize(
    "mask",
    [
        None,
        "causal",
        SIX_TOKENS,
        SIX_TOKENS[None, None],
        ROW_MASK,
        np.where(SIX_TOKENS, 0, -np.inf),
        HEADS_MASK,
        np.linspace(-3, 3, 9),
    ],
    ids=["none", "causal", "seen", "of all", "of rows", "added", "of heads", "of keys"],
)
def test_attention_is_mlx_s_own(engine: RemoteEngine, mask: Any, groups: int, at_once: int) -> None:
    ours, theirs = found(engine, attended, mask, groups, at_once)
    assert ours.shape == theirs.shape == (2, 8, 6, 5)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


@pytest.mark.parametrize("hidden", [False, float("-inf"), float(np.finfo(np.float32).min)])
def test_a_query_that_sees_no_key_becomes_a_number(engine: RemoteEngine, hidden: Any) -> None:
    mask = np.full((6, 9), hidden)
    mask[1:] = True if hidden is False else 0
    ours, _ = found(engine, attended, mask, 2, 1 << 20)
    assert np.isfinite(ours).all()


def test_attention_of_fewer_bits_stays_with_mlx(engine: RemoteEngine) -> None:
    assert found(engine, attention_of_16_bits)


def test_the_libraries_compute_with_them(engine: RemoteEngine) -> None:
    assert found(engine, called_by_libraries) == {
        "erf",
        "sigmoid",
        "tanh",
        "scaled_dot_product_attention",
    }


def test_where_mlx_has_vectors_nothing_is_replaced(engine: RemoteEngine) -> None:
    assert found(engine, replaced_on, "aarch64") == []
    assert found(engine, replaced_on, "x86_64") == [
        "erf",
        "logsumexp",
        "scaled_dot_product_attention",
        "sigmoid",
        "softmax",
        "tanh",
    ]


# In the child


@contextmanager
def however_few() -> Iterator[None]:
    """Nothing is left to MLX for being few."""
    from mlx_gui.engines.cpu import attention, functions

    before = functions.FEW
    functions.FEW = attention.FEW = 0
    try:
        yield
    finally:
        functions.FEW = attention.FEW = before


def computed_by(name: str, numbers: Any) -> Any:
    import mlx.core as mx

    from mlx_gui.engines.cpu import functions

    with however_few():
        return np.array(getattr(functions, name)(mx.array(numbers)))


def along(numbers: Any, axis: Any) -> Any:
    import mlx.core as mx

    from mlx_gui.engines.cpu import functions

    given = mx.array(numbers)
    theirs = {
        "softmax": np.array(functions._mlx_softmax(given, axis)),
        "logsumexp": np.array(functions._mlx_logsumexp(given, axis)),
    }
    with however_few():
        ours = {
            "softmax": np.array(functions.softmax(given, axis)),
            "logsumexp": np.array(functions.logsumexp(given, axis)),
        }
        whole = functions.logsumexp(given, axis, True)
    return ours, theirs, (whole.shape, functions._mlx_logsumexp(given, axis, True).shape)


def kinds_of(name: str) -> tuple[bool, bool, bool]:
    """Whether 16 bits of both kinds, and whole numbers, give what MLX gives."""
    import mlx.core as mx

    from mlx_gui.engines.cpu import functions

    ours, own = getattr(functions, name), getattr(functions, f"_mlx_{name}")
    given = (mx.array([[0.5, -1.0]], mx.bfloat16), mx.array([[1, 0]]), mx.array(0.5, mx.float16))
    with however_few():
        same = [
            ours(each).dtype == own(each).dtype and mx.array_equal(ours(each), own(each)).item()
            for each in given
        ]
    return bool(same[0]), bool(same[1]), bool(same[2])


def few_are_mlx_s_own(name: str) -> bool:
    import mlx.core as mx

    from mlx_gui.engines.cpu import functions

    few = mx.random.normal((functions.FEW,))
    ours, own = getattr(functions, name), getattr(functions, f"_mlx_{name}")
    return bool(mx.array_equal(ours(few), own(few)).item())


def attended(mask: Any, groups: int, at_once: int) -> Any:
    import mlx.core as mx

    from mlx_gui.engines.cpu import attention

    mx.random.seed(0)
    q = mx.random.normal((2, 8, 6, 4))
    k, v = mx.random.normal((2, groups, 9, 4)), mx.random.normal((2, groups, 9, 5))
    if isinstance(mask, np.ndarray):
        mask = mx.array(mask) if mask.dtype == bool else mx.array(mask.astype(np.float32))
    before, attention._SCORES = attention._SCORES, at_once
    try:
        with however_few():
            ours = attention.scaled_dot_product_attention(q, k, v, scale=0.7, mask=mask)
        return np.array(ours), np.array(attention._mlx_attention(q, k, v, scale=0.7, mask=mask))
    finally:
        attention._SCORES = before


def attention_of_16_bits() -> bool:
    import mlx.core as mx

    from mlx_gui.engines.cpu import attention

    q = mx.random.normal((1, 2, 3, 4)).astype(mx.float16)
    with however_few():
        ours = attention.scaled_dot_product_attention(q, q, q, scale=1.0, mask="causal")
    theirs = attention._mlx_attention(q, q, q, scale=1.0, mask="causal")
    return ours.dtype == mx.float16 and bool(mx.array_equal(ours, theirs).item())


def called_by_libraries() -> set[str]:
    """The replaced names that activations and an attention of the libraries come to."""
    import mlx.core as mx
    import mlx.nn as nn
    from mlx_lm.models.base import scaled_dot_product_attention

    from mlx_gui.engines.cpu.replaced import replace_slow_functions

    called: set[str] = set()

    def noted(name: str, function: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            called.add(name)
            return function(*arguments, **more)

        return call

    replace_slow_functions(None, "x86_64")
    names = {"erf": mx, "sigmoid": mx, "tanh": mx, "scaled_dot_product_attention": mx.fast}
    for name, module in names.items():
        setattr(module, name, noted(name, getattr(module, name)))
    try:
        numbers = mx.ones((1, 1, 2, 4))
        mx.eval(nn.gelu(numbers), nn.silu(numbers), nn.gelu_approx(numbers))
        attend: Any = scaled_dot_product_attention
        mx.eval(attend(numbers, numbers, numbers, cache=None, scale=1.0, mask=None))
    finally:
        replace_slow_functions(None, "x86_64")
    return called


def replaced_on(machine: str) -> list[str]:
    """Which of MLX's names change there."""
    import mlx.core as mx

    from mlx_gui.engines.cpu import attention, functions
    from mlx_gui.engines.cpu.replaced import replace_slow_functions

    own: dict[str, Any] = {
        name: getattr(functions, f"_mlx_{name}")
        for name in ("erf", "tanh", "sigmoid", "softmax", "logsumexp")
    }
    places = dict.fromkeys(own, mx) | {"scaled_dot_product_attention": mx.fast}
    own["scaled_dot_product_attention"] = attention._mlx_attention
    before = {name: getattr(place, name) for name, place in places.items()}
    for name, place in places.items():
        setattr(place, name, own[name])
    try:
        replace_slow_functions(None, machine)
        return sorted(name for name, place in places.items() if getattr(place, name) != own[name])
    finally:
        for name, place in places.items():
            setattr(place, name, before[name])
