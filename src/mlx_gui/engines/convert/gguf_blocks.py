"""GGUF's blocks as MLX packs weights: groups of 32 that share a scale and a bias.

A block type is kept where its values are whole numbers of at most 8 bits, times a scale, plus a
bias, in groups that MLX has too. Then nothing is quantized twice: the whole numbers are the same
bits in another order. Scales of `Q4_K` and `Q5_K` are products and get rounded; all others are as
they were.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUP_SIZE = 32
_K_GROUPS = 8
"""How many groups a block of 256 has."""

_LOW, _LOWEST_SIX = np.uint8(15), np.uint8(63)
_FOUR, _SIX = np.uint8(4), np.uint8(6)

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


def half(blocks: Bytes, at: int) -> Floats:
    """The float16 that each block has at byte `at`."""
    return blocks[:, at : at + 2].copy().view("<f2").astype(np.float32)[:, 0]


def nibbles(data: Bytes) -> Bytes:
    """Of each row, the low halves of its bytes and then the high ones."""
    return np.concatenate([data & _LOW, data >> _FOUR], axis=1)


def _fifth_bits(blocks: Bytes, at: int) -> Bytes:
    """The bits of four bytes, lowest first, each in its place as a fifth bit."""
    return np.unpackbits(blocks[:, at : at + 4], axis=1, bitorder="little") << _FOUR


def _q4_0(blocks: Bytes) -> Groups:
    scales = half(blocks, 0)
    return Groups(nibbles(blocks[:, 2:]), scales, -8 * scales)


def _q4_1(blocks: Bytes) -> Groups:
    return Groups(nibbles(blocks[:, 4:]), half(blocks, 0), half(blocks, 2))


def _q5_0(blocks: Bytes) -> Groups:
    scales = half(blocks, 0)
    return Groups(nibbles(blocks[:, 6:]) | _fifth_bits(blocks, 2), scales, -16 * scales)


def _q5_1(blocks: Bytes) -> Groups:
    whole = nibbles(blocks[:, 8:]) | _fifth_bits(blocks, 4)
    return Groups(whole, half(blocks, 0), half(blocks, 2))


def _q8_0(blocks: Bytes) -> Groups:
    scales = half(blocks, 0)
    return Groups(blocks[:, 2:] ^ np.uint8(128), scales, -128 * scales)


def _q4_k(blocks: Bytes) -> Groups:
    scales, biases = _k_scales(blocks)
    return Groups(_k_nibbles(blocks[:, 16:]), scales, biases)


def _q5_k(blocks: Bytes) -> Groups:
    scales, biases = _k_scales(blocks)
    bits = blocks[:, None, 16:48] >> np.arange(_K_GROUPS, dtype=np.uint8)[:, None] & np.uint8(1)
    fifth = bits.reshape(-1, GROUP_SIZE) << _FOUR
    return Groups(_k_nibbles(blocks[:, 48:]) | fifth, scales, biases)


def _k_nibbles(data: Bytes) -> Bytes:
    """Four times 32 bytes, whose low halves are one group and the high ones the next."""
    pairs = data.reshape(-1, _K_GROUPS // 2, 1, GROUP_SIZE)
    return np.concatenate([pairs & _LOW, pairs >> _FOUR], axis=2).reshape(-1, GROUP_SIZE)


def _k_scales(blocks: Bytes) -> tuple[Floats, Floats]:
    """The scale and the bias of each group; a block has both in 6 bits, times a float16 of its own.

    Twelve bytes: the lower 6 bits of four of them are the first four scales, of the next four the
    first four minima; the last four have the low halves of the others, and the highest two bits of
    the first eight what these lack.
    """
    low, middle, high = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    scales = np.concatenate([low & _LOWEST_SIX, (high & _LOW) | (low >> _SIX << _FOUR)], axis=1)
    minima = np.concatenate(
        [middle & _LOWEST_SIX, (high >> _FOUR) | (middle >> _SIX << _FOUR)], axis=1
    )
    of_scales, of_minima = half(blocks, 0)[:, None], half(blocks, 2)[:, None]
    return (of_scales * scales).ravel(), (-of_minima * minima).ravel()


KEPT: Mapping[str, Kept] = {
    "Q4_0": Kept(4, _q4_0),
    "Q4_1": Kept(4, _q4_1),
    "Q5_0": Kept(5, _q5_0),
    "Q5_1": Kept(5, _q5_1),
    "Q8_0": Kept(8, _q8_0),
    "Q4_K": Kept(4, _q4_k),
    "Q5_K": Kept(5, _q5_k),
}
