"""Products with weights that stay packed, computed by the shim.

MLX's build for x86-64 multiplies packed weights one number at a time. Products of float32 it hands
to a BLAS, though, and the shim is that BLAS: so a packed matrix is multiplied as one of float32
that begins where the packed one lies. The shim knows by the address what it has before it, and
reads that; nobody ever reads the matrix of float32, which is larger than its memory.
"""

import ctypes
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import mlx.core as mx

_TRIED = 64
"""Rows, columns and group of the matrix that has to be multiplied right before any is held."""


@dataclass(frozen=True, slots=True)
class _Held:
    """Packed matrices, and what they are multiplied as: `wide` [..., rows, columns], `turned` too.

    Views that are made once save two steps of every product, which MLX takes as long for as for the
    sums of a small one.
    """

    packed: mx.array
    scales: mx.array
    biases: mx.array
    wide: mx.array
    turned: mx.array
    turned_for_one: mx.array
    """[1, columns, rows], for an `x` that is one matrix in an array of three dimensions."""


class PackedProducts:
    """Products with the packed matrices that are held; those with all others are left to MLX.

    A matrix is held for as long as the process lives: products with it may still be waiting.
    """

    def __init__(self, shim: Path) -> None:
        self._hold = ctypes.CDLL(str(shim)).mlx_gui_hold_packed
        self._hold.restype = ctypes.c_int
        self._hold.argtypes = [
            *[ctypes.c_void_p] * 3, *[ctypes.c_long] * 3, *[ctypes.c_int] * 2,
        ]  # fmt: skip
        self._mlx_quantized_matmul = mx.quantized_matmul
        self._mlx_gather_qmm = mx.gather_qmm
        self._held: dict[int, _Held] = {}

    @cached_property
    def work(self) -> bool:
        """Whether products of MLX reach the shim, and it can compute them on this processor.

        The first time a product is computed for it: after that a process must not be forked.
        """
        weights = mx.arange(_TRIED * _TRIED, dtype=mx.float32).reshape(_TRIED, _TRIED) % 16
        packed, scales, biases = mx.quantize(weights, group_size=_TRIED, bits=4)
        # There is room for what it is multiplied as: whoever reads that here reads nothing else.
        room = mx.concatenate([packed.reshape(-1), mx.zeros(_TRIED * _TRIED, mx.uint32)])
        packed = room[: packed.size].reshape(packed.shape)
        if not self._take(packed, scales, biases, group_size=_TRIED, bits=4):
            return False
        product = self.quantized_matmul(mx.eye(_TRIED), packed, scales, biases)
        return bool(mx.allclose(product.T, weights, atol=1e-3))

    def hold(
        self, packed: mx.array, scales: mx.array, biases: mx.array, *, group_size: int, bits: int
    ) -> bool:
        """Compute products with `packed` from now on, [rows, words] or [matrices, rows, words].

        False if they stay MLX's: where scales and biases [..., groups] are not float32, the shim
        knows no such numbers, or none of this works. All three are evaluated.
        """
        return self.work and self._take(packed, scales, biases, group_size=group_size, bits=bits)

    def _take(
        self, packed: mx.array, scales: mx.array, biases: mx.array, *, group_size: int, bits: int
    ) -> bool:
        *several, rows, words = packed.shape
        if len(several) > 1 or any(each.dtype != mx.float32 for each in (scales, biases)):
            return False
        mx.eval(packed, scales, biases)
        columns = words * 32 // bits
        count = several[0] if several else 1
        addresses = [_address(each) for each in (packed, scales, biases)]
        if None in addresses or not self._hold(*addresses, count, rows, columns, bits, group_size):
            return False
        strides = [rows * words] * len(several) + [columns, 1]
        wide = mx.as_strided(packed.view(mx.float32), [*several, rows, columns], strides)
        turned = wide.swapaxes(-1, -2)
        held = _Held(packed, scales, biases, wide, turned, turned if several else turned[None])
        mx.eval(held.wide, held.turned, held.turned_for_one)
        self._held[id(packed)] = held
        return True

    def quantized_matmul(
        self,
        x: mx.array,
        w: mx.array,
        /,
        scales: mx.array,
        biases: mx.array | None = None,
        transpose: bool = True,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        **more: Any,
    ) -> mx.array:
        """As MLX's: `x` [..., rows of x, columns] times the transposed `w`, or `w` as it is."""
        held = self._of(x, w, scales, more)
        if held is None:
            return self._mlx_quantized_matmul(
                x, w, scales, biases, transpose, group_size, bits, mode, **more
            )
        if not transpose:
            return x @ held.wide
        return x @ (held.turned_for_one if x.ndim == 3 and x.shape[0] == 1 else held.turned)

    def gather_qmm(
        self,
        x: mx.array,
        w: mx.array,
        /,
        scales: mx.array,
        biases: mx.array | None = None,
        lhs_indices: mx.array | None = None,
        rhs_indices: mx.array | None = None,
        transpose: bool = True,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        *,
        sorted_indices: bool = False,
        **more: Any,
    ) -> mx.array:
        """As MLX's: the same of those matrices of `x` and `w` that the indices name."""
        held = self._of(x, w, scales, more)
        if held is None:
            return self._mlx_gather_qmm(
                x, w, scales, biases, lhs_indices, rhs_indices, transpose, group_size, bits, mode,
                sorted_indices=sorted_indices, **more,
            )  # fmt: skip
        return mx.gather_mm(
            x,
            held.turned if transpose else held.wide,
            lhs_indices,
            rhs_indices,
            sorted_indices=sorted_indices,
        )

    def _of(self, x: mx.array, w: mx.array, scales: mx.array, more: dict[str, Any]) -> _Held | None:
        """What is held of `w`, where this product with it can be computed."""
        held = self._held.get(id(w))
        if held is None or held.scales is not scales or x.dtype != mx.float32 or more:
            return None
        return held


def multiply_packed(shim: Path) -> None:
    """Have MLX's names for products with packed weights mean those of `shim` from now on."""
    products = PackedProducts(shim)
    mx.quantized_matmul = products.quantized_matmul
    mx.gather_qmm = products.gather_qmm


def packed_products() -> PackedProducts | None:
    """Who computes products with packed weights in this process; None where MLX does."""
    owner = getattr(mx.quantized_matmul, "__self__", None)
    return owner if isinstance(owner, PackedProducts) else None


def _address(array: mx.array) -> int | None:
    """Where the numbers of an evaluated array lie; None if they do not lie one after the other."""
    view = memoryview(cast(Any, array))
    return ctypes.addressof(ctypes.c_char.from_buffer(view)) if view.c_contiguous else None
