"""GGUF's IQ types of one to three bits: numbers that stand for rows of a grid, and signs apart.

Three of them have steps that MLX's groups have too; the values of the others are quantized anew.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlx_gui.engines.convert.gguf_blocks import GROUP_SIZE, Bytes, Floats, Groups, Kept, half
from mlx_gui.engines.convert.gguf_grids import grid

_GROUPS = 8
"""How many groups of 32 a block has."""
_SIGN_BYTES = np.array([each | (each.bit_count() % 2) << 7 for each in range(128)], np.uint8)
"""Signs are stored in seven bits: there is always an even number of minuses among eight."""
_SEVENS = np.array([0, 7, 14, 21], np.uint32)
_THREES = np.array([0, 3, 6, 9], np.uint16)
_PAIRS = np.array([0, 2, 4, 6], np.uint8)
_HALVES = np.array([0, 4], np.uint8)
_SINGLES = np.arange(8, dtype=np.uint8)
_LOW, _SEVEN_BITS = np.uint8(15), np.uint32(127)
_TWO_BIT_STEPS = np.array([8, 25, 43], np.float32)
_THREE_BIT_STEPS = np.array([4, 12, 20, 28, 36, 44, 52, 62], np.int16)
_HIGHEST_OF_THREE_BITS = 62
_HIGHEST_ODD = 15
_DELTA, _QUARTER, _HALF = np.float32(0.125), np.float32(0.25), np.float32(0.5)

Numbers = NDArray[np.uint16]


def iq2_xxs(blocks: Bytes) -> Floats:
    """The values of `IQ2_XXS`."""
    parts = blocks[:, 2:].reshape(-1, _GROUPS, 8)
    last = _u32(parts[..., 4:])[..., 0]
    steps = _TWO_BIT_STEPS[grid("IQ2_XXS")[parts[..., :4]]].reshape(-1, _GROUPS, GROUP_SIZE)
    scales = half(blocks, 0)[:, None] * _with_half(last >> 28) * _QUARTER
    return scales[..., None] * steps * _signs(_SIGN_BYTES[_sevens(last)])


def iq2_xs(blocks: Bytes) -> Floats:
    """The values of `IQ2_XS`."""
    numbers = _u16(blocks[:, 2:66])
    steps = _TWO_BIT_STEPS[grid("IQ2_XS")[numbers & np.uint16(511)]].reshape(-1, 16, 16)
    signs = _signs(_SIGN_BYTES[numbers >> np.uint16(9)].reshape(-1, 16, 2))
    return _quarters(blocks, blocks[:, 66:74])[..., None] * steps * signs


def iq2_s(blocks: Bytes) -> Floats:
    """The values of `IQ2_S`."""
    upper = (blocks[:, 66:74, None] >> _PAIRS & np.uint8(3)).reshape(-1, 32)
    steps = _TWO_BIT_STEPS[grid("IQ2_S")[_joined(blocks[:, 2:34], upper)]].reshape(-1, 16, 16)
    signs = _signs(blocks[:, 34:66].reshape(-1, 16, 2))
    return _quarters(blocks, blocks[:, 74:82])[..., None] * steps * signs


def _iq3_xxs(blocks: Bytes) -> Groups:
    """Whole numbers of six bits for `IQ3_XXS`, whose steps are all even."""
    last = _u32(blocks[:, 66:98])
    steps = _THREE_BIT_STEPS[grid("IQ3_XXS")[blocks[:, 2:66]]].reshape(-1, _GROUPS, GROUP_SIZE)
    signed = steps * _signs(_SIGN_BYTES[_sevens(last)]).astype(np.int16)
    whole = (signed + _HIGHEST_OF_THREE_BITS) // 2
    scales = half(blocks, 0)[:, None] * _with_half(last >> 28) * _HALF
    return _grouped(whole, 2 * scales, -_HIGHEST_OF_THREE_BITS * scales)


def _iq3_s(blocks: Bytes) -> Groups:
    """Whole numbers of four bits for `IQ3_S`, whose steps are the odd numbers to 15."""
    ninth = (blocks[:, 66:74, None] >> _SINGLES & np.uint8(1)).reshape(-1, 64)
    odd = 2 * grid("IQ3_S")[_joined(blocks[:, 2:66], ninth)].astype(np.int16) + 1
    signs = _signs(blocks[:, 74:106].reshape(-1, _GROUPS, 4)).astype(np.int16)
    whole = (odd.reshape(-1, _GROUPS, GROUP_SIZE) * signs + _HIGHEST_ODD) // 2
    fours = (blocks[:, 106:110, None] >> _HALVES & _LOW).reshape(-1, _GROUPS)
    scales = half(blocks, 0)[:, None] * (1 + 2 * fours.astype(np.float32))
    return _grouped(whole, 2 * scales, -_HIGHEST_ODD * scales)


def _iq1_s(blocks: Bytes) -> Groups:
    """Whole numbers of two bits for `IQ1_S`: none, one and two steps up from the lowest."""
    last = _u16(blocks[:, 34:50])
    upper = (last[..., None] >> _THREES & np.uint16(7)).reshape(-1, 32)
    whole = grid("IQ1_S")[_joined(blocks[:, 2:34], upper)].reshape(-1, _GROUPS, GROUP_SIZE)
    scales = half(blocks, 0)[:, None] * (2 * (last >> 12 & np.uint16(7)).astype(np.float32) + 1)
    delta = np.where(last >> np.uint16(15), -_DELTA, _DELTA)
    return _grouped(whole, scales, scales * (delta - 1))


def iq1_m(blocks: Bytes) -> Floats:
    """The values of `IQ1_M`, whose scale for all lies in the highest bits of four numbers."""
    fours = _u16(blocks[:, 48:56])
    joined = (fours >> np.uint16(12)) << np.arange(0, 16, 4, dtype=np.uint16)
    whole_scale = np.bitwise_or.reduce(joined, axis=1).astype("<u2").view("<f2").astype(np.float32)
    threes = (fours[..., None] >> _THREES & np.uint16(7)).reshape(-1, 16)
    scales = whole_scale[:, None] * (2 * threes.astype(np.float32) + 1)
    high = (blocks[:, 32:48, None] >> _HALVES).reshape(-1, 32)
    steps = grid("IQ1_S")[_joined(blocks[:, :32], high & np.uint8(7))].astype(np.float32) - 1
    delta = np.where(high & np.uint8(8), -_DELTA, _DELTA)
    return scales[..., None] * (steps + delta[..., None]).reshape(-1, 16, 16)


def _u16(data: Bytes) -> Numbers:
    return np.ascontiguousarray(data).view("<u2")


def _u32(data: Bytes) -> NDArray[np.uint32]:
    return np.ascontiguousarray(data).view("<u4")


def _joined(low: Bytes, high: NDArray[np.integer]) -> Numbers:
    return low.astype(np.uint16) | high.astype(np.uint16) << np.uint16(8)


def _sevens(numbers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return numbers[..., None] >> _SEVENS & _SEVEN_BITS


def _signs(in_bytes: Bytes) -> Floats:
    """Plus or minus one for each bit, the lowest first; eight times as many in the last axis."""
    return 1 - 2 * np.unpackbits(in_bytes, axis=-1, bitorder="little").astype(np.float32)


def _quarters(blocks: Bytes, scales: Bytes) -> Floats:
    """The scales of 16 groups of 16, of four bits each."""
    fours = (scales[..., None] >> _HALVES & _LOW).reshape(-1, 16)
    return half(blocks, 0)[:, None] * _with_half(fours) * _QUARTER


def _with_half(whole: NDArray[np.integer]) -> Floats:
    return whole.astype(np.float32) + _HALF


def _grouped(whole: NDArray[np.integer], scales: Floats, biases: Floats) -> Groups:
    return Groups(
        whole.astype(np.uint8).reshape(-1, GROUP_SIZE),
        scales.astype(np.float32).ravel(),
        biases.astype(np.float32).ravel(),
    )


KEPT: Mapping[str, Kept] = {
    "IQ3_XXS": Kept(6, _iq3_xxs),
    "IQ3_S": Kept(4, _iq3_s),
    "IQ1_S": Kept(2, _iq1_s),
}
"""See `gguf_blocks.KEPT`."""
