"""The values of GGUF's blocks whose groups MLX has not: of 16, or on a scale with uneven steps.

They are quantized anew, in groups of 32, with the fewest bits that add no more than a twentieth to
what the block type has lost already. Measured on normally distributed weights.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mlx_gui.engines.convert.gguf_blocks import Bytes, Floats, half, nibbles
from mlx_gui.engines.convert.gguf_iq import iq1_m, iq2_s, iq2_xs, iq2_xxs

_LOW, _TWO_BITS, _ONE_BIT = np.uint8(15), np.uint8(3), np.uint8(1)
_FOUR = np.uint8(4)
_PAIRS = np.array([0, 2, 4, 6], np.uint8)[:, None]
_SINGLES = np.arange(8, dtype=np.uint8)[:, None]
_UNEVEN_STEPS = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32
)
"""What the four bits of `IQ4_NL` and `IQ4_XS` stand for."""


@dataclass(frozen=True, slots=True)
class Requantized:
    """How blocks of a type become values, and the bits that these get."""

    bits: int
    values: Callable[[Bytes], Floats]


def _q2_k(blocks: Bytes) -> Floats:
    both, quarters = blocks[:, :16], blocks[:, 16:80].reshape(-1, 2, 1, 32)
    whole = (quarters >> _PAIRS & _TWO_BITS).reshape(-1, 16, 16).astype(np.float32)
    scales = half(blocks, 80)[:, None] * (both & _LOW).astype(np.float32)
    minima = half(blocks, 82)[:, None] * (both >> _FOUR).astype(np.float32)
    return (scales[..., None] * whole - minima[..., None]).astype(np.float32, copy=False)


def _q3_k(blocks: Bytes) -> Floats:
    """The third bit of each value lies apart; without it, the value is 4 less."""
    third = (blocks[:, None, :32] >> _SINGLES & _ONE_BIT).reshape(-1, 16, 16)
    low = (blocks[:, 32:96].reshape(-1, 2, 1, 32) >> _PAIRS & _TWO_BITS).reshape(-1, 16, 16)
    packed = blocks[:, 96:108]
    lower = nibbles(packed[:, :8])
    upper = (packed[:, None, 8:] >> _PAIRS & _TWO_BITS).reshape(-1, 16)
    scales = half(blocks, 108)[:, None] * ((lower | upper << _FOUR).astype(np.float32) - 32)
    return scales[..., None] * ((low | third << np.uint8(2)).astype(np.float32) - 4)


def _q6_k(blocks: Bytes) -> Floats:
    """Each half of a block has 64 bytes of low and 32 of high bits."""
    fours = blocks[:, :128].reshape(-1, 2, 1, 64)
    low = np.concatenate([fours & _LOW, fours >> _FOUR], axis=2).reshape(-1, 2, 4, 32)
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> _PAIRS & _TWO_BITS
    whole = (low | high << _FOUR).reshape(-1, 16, 16).astype(np.float32) - 32
    scales = half(blocks, 208)[:, None] * blocks[:, 192:208].view(np.int8)
    return scales[..., None] * whole


def _iq4_nl(blocks: Bytes) -> Floats:
    return half(blocks, 0)[:, None] * _UNEVEN_STEPS[nibbles(blocks[:, 2:])]


def _iq4_xs(blocks: Bytes) -> Floats:
    """Eight groups, each with a scale of six bits: four, and two more in a number for all."""
    upper = blocks[:, 2:4].copy().view("<u2") >> np.arange(0, 16, 2, dtype=np.uint16) & np.uint16(3)
    lower = blocks[:, 4:8, None] >> np.array([0, 4], np.uint8) & _LOW
    six = lower.reshape(-1, 8) | upper.astype(np.uint8) << _FOUR
    scales = half(blocks, 0)[:, None] * (six.astype(np.float32) - 32)
    fours = blocks[:, 8:].reshape(-1, 16)
    return scales[..., None] * _UNEVEN_STEPS[nibbles(fours)].reshape(-1, 8, 32)


REQUANTIZED: Mapping[str, Requantized] = {
    "Q2_K": Requantized(4, _q2_k),
    "Q3_K": Requantized(5, _q3_k),
    "Q6_K": Requantized(8, _q6_k),
    "IQ4_NL": Requantized(6, _iq4_nl),
    "IQ4_XS": Requantized(6, _iq4_xs),
    "IQ2_XXS": Requantized(4, iq2_xxs),
    "IQ2_XS": Requantized(4, iq2_xs),
    "IQ2_S": Requantized(4, iq2_s),
    "IQ1_M": Requantized(4, iq1_m),
}
