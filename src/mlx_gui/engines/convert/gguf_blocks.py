"""GGUF's blocks as MLX packs weights: groups of 32 that share a scale and a bias.

A block type is kept where its values are whole numbers of at most 8 bits, times a scale, plus a
bias, in groups that MLX has too. Then nothing is quantized twice: the whole numbers are the same
bits in another order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUP_SIZE = 32

_LOW, _FOUR = np.uint8(15), np.uint8(4)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Groups:
    """`whole` has a group in each row; `scales` and `biases` have one number for each of them."""

    whole: Bytes
    scales: Floats
    biases: Floats


@dataclass(frozen=True, slots=True)
class Kept:
    """How blocks of a type become groups, and the bits of their whole numbers."""

    bits: int
    groups: Callable[[Bytes], Groups]


def packed(groups: Groups, bits: int) -> NDArray[np.uint32]:
    """The whole numbers one behind the other, each with its lowest bit first, as MLX wants them."""
    eights = groups.whole.reshape(-1, 8).astype(np.uint64)
    joined = np.bitwise_or.reduce(eights << np.arange(0, 8 * bits, bits, dtype=np.uint64), axis=1)
    in_bytes = joined.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :bits]
    return np.ascontiguousarray(in_bytes).reshape(len(groups.whole), -1).view("<u4")


def _half(blocks: Bytes, at: int) -> Floats:
    """The float16 that each block has at byte `at`."""
    return blocks[:, at : at + 2].copy().view("<f2").astype(np.float32)[:, 0]


def _nibbles(data: Bytes) -> Bytes:
    """Of each row, the low halves of its bytes and then the high ones."""
    return np.concatenate([data & _LOW, data >> _FOUR], axis=1)


def _q4_0(blocks: Bytes) -> Groups:
    scales = _half(blocks, 0)
    return Groups(_nibbles(blocks[:, 2:]), scales, -8 * scales)


def _q4_1(blocks: Bytes) -> Groups:
    return Groups(_nibbles(blocks[:, 4:]), _half(blocks, 0), _half(blocks, 2))


def _q8_0(blocks: Bytes) -> Groups:
    scales = _half(blocks, 0)
    return Groups(blocks[:, 2:] ^ np.uint8(128), scales, -128 * scales)


KEPT: Mapping[str, Kept] = {
    "Q4_0": Kept(4, _q4_0),
    "Q4_1": Kept(4, _q4_1),
    "Q8_0": Kept(8, _q8_0),
}
