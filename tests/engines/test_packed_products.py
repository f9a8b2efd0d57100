"""Products with packed weights that the shim computes, beside those with the same unpacked."""

import sys
from typing import Any

import numpy as np
import pytest

from mlx_gui.core.device import DeviceFacts
from mlx_gui.engines.device import probe
from tests.engines.remote import CACHE, RemoteEngine, child
from tests.support.soak import mostly_in_soak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="macOS has Accelerate")

BITS = (2, 3, 4, 5, 6, 8)
GROUPS = (32, 64, 128)
ROWS = (1, 2, 3, 4, 5, 8, 9, 16, 31, 64, 65, 129, 300)
SHAPES = ((64, 128), (70, 256), (1, 640), (131, 1152))
"""Rows and columns of a packed matrix: fewer than are computed together, and more than at once."""


@pytest.fixture(autouse=True)
def _needs_the_shim(engine: RemoteEngine) -> None:
    if not engine.child.call(is_there):
        pytest.skip("there is no C compiler here, or a processor without AVX2")


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("group_size", mostly_in_soak(GROUPS, but=[64]))
def test_each_product_is_that_with_the_unpacked_matrix(
    engine: RemoteEngine, bits: int, group_size: int
) -> None:
    for shape in SHAPES:
        if shape[1] % group_size == 0:
            assert engine.child.call(deviations, bits, group_size, shape) == []


@pytest.mark.parametrize("bits", BITS)
def test_of_several_matrices_those_that_are_named_are_taken(
    engine: RemoteEngine, bits: int
) -> None:
    assert engine.child.call(deviations_of_several, bits) < 1e-5


def test_any_layout_of_the_other_factor_is_multiplied(engine: RemoteEngine) -> None:
    assert engine.child.call(deviations_of_layouts) == {
        "turned": True,
        "every other": True,
        "as a batch": True,
        "none": (0, 64),
    }


def test_what_the_shim_cannot_multiply_stays_with_mlx(engine: RemoteEngine) -> None:
    assert engine.child.call(taken) == {
        "float32": True,
        "16-bit scales": False,
        "every other row": False,
        "16 bits of the other factor": True,
        "not held": True,
    }


def test_a_matrix_that_is_held_outlives_its_owner(engine: RemoteEngine) -> None:
    assert engine.child.call(product_after_its_owner_has_gone)


@pytest.mark.parametrize(("setting", "expected"), [("auto", True), ("off", False)])
def test_the_probe_tells_whether_there_are_such_products(setting: str, expected: bool) -> None:
    with child(mlx=False) as fresh:
        facts: DeviceFacts = fresh.call(probe, setting, CACHE)
    assert facts.blas is not None
    assert facts.blas.packed is expected


def is_there() -> bool:
    from mlx_gui.engines.cpu.packed import packed_products

    products = packed_products()
    return products is not None and products.work


def packed(rows: int, columns: int, *, bits: int, group_size: int, several: int = 0) -> Any:
    """A held matrix with its scales and biases, and what it means."""
    import mlx.core as mx

    from mlx_gui.engines.cpu.packed import packed_products

    mx.random.seed(rows * columns + bits)
    shape = (several, rows, columns) if several else (rows, columns)
    form = {"group_size": group_size, "bits": bits}
    parts = mx.quantize(mx.random.normal(shape), **form)
    products = packed_products()
    assert products is not None
    assert products.hold(*parts, **form)
    return parts, mx.dequantize(*parts, **form), form


def far(ours: Any, exact: Any) -> bool:
    """Whether two products differ by more than float32 rounds."""
    import mlx.core as mx

    return not mx.allclose(ours, exact, rtol=1e-4, atol=2e-5 * exact.shape[-1]).item()


def deviations(bits: int, group_size: int, shape: tuple[int, int]) -> list[object]:
    """For which numbers of rows a product with a matrix of `shape` is wrong, and which way round.

    What is compared is computed by NumPy, in 64 bits.
    """
    import mlx.core as mx

    parts, matrix, form = packed(*shape, bits=bits, group_size=group_size)
    exact = np.array(matrix, np.float64)
    wrong: list[object] = []
    for rows in ROWS:
        for transpose, factor in ((True, exact.T), (False, exact)):
            x = mx.random.normal((rows, factor.shape[0]))
            product = mx.quantized_matmul(x, *parts, transpose=transpose, **form)
            expected = np.array(x, np.float64) @ factor
            if not np.allclose(np.array(product), expected, rtol=1e-4, atol=1e-3):
                wrong.append((rows, transpose))
    return wrong


def deviations_of_several(bits: int) -> float:
    """How far products with named ones of four matrices, and with all of them, are off at most."""
    import mlx.core as mx

    parts, matrices, form = packed(64, 128, bits=bits, group_size=32, several=4)
    turned = matrices.swapaxes(-1, -2)
    named = mx.array([[0, 3], [1, 2], [3, 3], [2, 0], [1, 1]])
    alone, batch, short = (
        mx.random.normal(shape) for shape in ((5, 1, 1, 128), (2, 4, 9, 128), (2, 4, 9, 64))
    )
    pairs = [
        (
            mx.gather_qmm(alone, *parts, rhs_indices=named, **form),
            mx.gather_mm(alone, turned, rhs_indices=named),
        ),
        (mx.quantized_matmul(batch, *parts, **form), batch @ turned),
        (mx.quantized_matmul(short, *parts, transpose=False, **form), short @ matrices),
    ]
    return max((mx.abs(ours - exact).max() / mx.abs(exact).max()).item() for ours, exact in pairs)  # type: ignore[type-var]


def deviations_of_layouts() -> dict[str, object]:
    import mlx.core as mx

    parts, matrix, form = packed(64, 128, bits=4, group_size=64)

    def right(x: Any) -> bool:
        product = mx.quantized_matmul(x, *parts, **form)
        return mx.allclose(product, x @ matrix.T, rtol=1e-4, atol=1e-3).item()

    return {
        "turned": right(mx.random.normal((128, 11)).T),
        "every other": right(mx.random.normal((22, 256))[::2, ::2]),
        "as a batch": right(mx.random.normal((3, 1, 128))),
        "none": mx.quantized_matmul(mx.zeros((0, 128)), *parts, **form).shape,
    }


def taken() -> dict[str, bool]:
    """What is held, and for what is not or cannot be multiplied whether MLX's own is right."""
    import mlx.core as mx

    from mlx_gui.engines.cpu.packed import packed_products

    products = packed_products()
    assert products is not None
    form = {"group_size": 64, "bits": 4}
    numbers, scales, biases = mx.quantize(mx.random.normal((64, 128)), **form)
    short = [each.astype(mx.bfloat16) for each in (scales, biases)]
    rows = [each[::2] for each in (numbers, scales, biases)]
    held, matrix, _ = packed(64, 128, **form)
    x = mx.random.normal((3, 128)).astype(mx.bfloat16)
    again = [mx.array(each) for each in held]
    return {
        "float32": products.hold(numbers, scales, biases, **form),
        "16-bit scales": products.hold(numbers, *short, **form),
        "every other row": products.hold(*rows, **form),
        "16 bits of the other factor": not far(
            mx.quantized_matmul(x, *held, **form), x.astype(mx.float32) @ matrix.T
        ),
        "not held": not far(
            mx.quantized_matmul(x.astype(mx.float32), *again, **form), x @ matrix.T
        ),
    }


def product_after_its_owner_has_gone() -> bool:
    import gc

    import mlx.core as mx

    parts, matrix, form = packed(64, 128, bits=4, group_size=64)
    x = mx.random.normal((2, 128))
    product, expected = mx.quantized_matmul(x, *parts, **form), x @ matrix.T
    mx.eval(expected)
    del parts, matrix
    gc.collect()
    mx.clear_cache()
    others = [mx.full((64, 16), 7, mx.uint32) for _ in range(50)]
    mx.eval(others)
    return mx.allclose(product, expected, rtol=1e-4, atol=1e-3).item()
