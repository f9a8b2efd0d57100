"""Values in the blocks that GGUF defines, with what a reader has to see in them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """The bytes of a tensor, and its values as they are after the quantization."""

    content: bytes
    values: Floats


def encoded(type_name: str, rows: Floats) -> Encoded:
    """`rows`, whose length is a multiple of the type's block."""
    if type_name == "F32":
        return Encoded(rows.astype("<f4").tobytes(), rows)
    if type_name == "F16":
        half = rows.astype("<f2")
        return Encoded(half.tobytes(), half.astype(np.float32))
    if type_name == "BF16":
        upper = (rows.astype("<f4").view(np.uint32) >> 16).astype("<u2")
        return Encoded(
            upper.tobytes(), (upper.astype(np.uint32) << 16).view(np.float32).reshape(rows.shape)
        )
    content, values = ENCODERS[type_name](rows)
    return Encoded(content.tobytes(), values.reshape(rows.shape).astype(np.float32))


Encoder = Callable[[Floats], tuple[NDArray[np.uint8], Floats]]


def _joined(*parts: Any) -> NDArray[np.uint8]:
    return np.concatenate(
        [np.ascontiguousarray(part).view(np.uint8).reshape(len(part), -1) for part in parts], axis=1
    )


def _whole(values: Any, low: int, high: int) -> Any:
    return np.clip(np.rint(values), low, high).astype(np.int64)


def _over(values: Any, scale: Any) -> Any:
    return np.divide(values, scale, out=np.zeros_like(values), where=scale != 0)


def _halved(whole: Any) -> Any:
    """The first half of each row in the low halves of bytes, the second in the high ones."""
    middle = whole.shape[-1] // 2
    return (whole[..., :middle] | whole[..., middle:] << 4).astype(np.uint8)


def _legacy(bits: int, *, offset: bool) -> Encoder:
    """Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0."""

    def encode(rows: Floats) -> tuple[NDArray[np.uint8], Floats]:
        values = rows.reshape(-1, 32).astype(np.float32)
        highest = (1 << bits) - 1
        if offset:
            low = values.min(1, keepdims=True).astype("<f2")
            scale = ((values.max(1, keepdims=True) - low) / highest).astype("<f2")
            base, heads = low.astype(np.float32), [scale, low]
        else:
            middle = 1 << (bits - 1)
            scale = (np.abs(values).max(1, keepdims=True) / (middle - 1)).astype("<f2")
            base, heads = -middle * scale.astype(np.float32), [scale]
        step = scale.astype(np.float32) + np.zeros_like(values)
        whole = _whole(_over(values - base, step), 0, highest)
        seen = step * whole + base
        if bits == 8:
            return _joined(*heads, (whole - 128).astype(np.int8)), seen
        if bits == 5:
            fifth = np.packbits((whole >> 4).astype(np.uint8), axis=1, bitorder="little")
            return _joined(*heads, fifth, _halved(whole & 15)), seen
        return _joined(*heads, _halved(whole)), seen

    return encode


def _with_minima(bits: int) -> Encoder:
    """Q4_K and Q5_K: eight groups of 32, each with a scale and a minimum in six bits."""

    def encode(rows: Floats) -> tuple[NDArray[np.uint8], Floats]:
        values = rows.reshape(-1, 8, 32).astype(np.float32)
        below = np.maximum(-values.min(2), 0)
        steps = (values.max(2) + below) / ((1 << bits) - 1)
        d = (steps.max(1, keepdims=True) / 63).astype("<f2")
        dmin = (below.max(1, keepdims=True) / 63).astype("<f2")
        scales = _whole(_over(steps, d.astype(np.float32) + 0 * steps), 0, 63)
        minima = _whole(_over(below, dmin.astype(np.float32) + 0 * below), 0, 63)
        step = (d.astype(np.float32) * scales)[..., None] + 0 * values
        base = (dmin.astype(np.float32) * minima)[..., None] + 0 * values
        whole = _whole(_over(values + base, step), 0, (1 << bits) - 1)
        low = _halved((whole & 15).reshape(-1, 4, 64))
        packed = np.concatenate(
            [
                (scales[:, :4] | scales[:, 4:] >> 4 << 6),
                (minima[:, :4] | minima[:, 4:] >> 4 << 6),
                (scales[:, 4:] & 15) | (minima[:, 4:] & 15) << 4,
            ],
            axis=1,
        ).astype(np.uint8)
        heads = [d, dmin, packed]
        if bits == 5:
            weights = (1 << np.arange(8))[None, :, None]
            heads.append(((whole >> 4) * weights).sum(1).astype(np.uint8))
        return _joined(*heads, low), step * whole - base

    return encode


def _q6_k(rows: Floats) -> tuple[NDArray[np.uint8], Floats]:
    values = rows.reshape(-1, 16, 16).astype(np.float32)
    steps = np.abs(values).max(2) / 31
    d = (steps.max(1, keepdims=True) / 127).astype("<f2")
    scales = _whole(_over(steps, d.astype(np.float32) + 0 * steps), 0, 127)
    step = (d.astype(np.float32) * scales)[..., None] + 0 * values
    whole = _whole(_over(values, step), -32, 31)
    halves = (whole + 32).reshape(-1, 2, 4, 32)
    low = _halved(
        np.concatenate([halves[:, :, :2], halves[:, :, 2:]], axis=2).reshape(-1, 2, 128) & 15
    )
    shifts = (np.arange(4) * 2)[None, None, :, None]
    high = ((halves >> 4) << shifts).sum(2).astype(np.uint8)
    return _joined(low, high, scales.astype(np.int8), d), step * whole


def _q3_k(rows: Floats) -> tuple[NDArray[np.uint8], Floats]:
    values = rows.reshape(-1, 16, 16).astype(np.float32)
    steps = np.abs(values).max(2) / 4
    d = (steps.max(1, keepdims=True) / 31).astype("<f2")
    scales = _whole(_over(steps, d.astype(np.float32) + 0 * steps), 0, 31)
    step = (d.astype(np.float32) * scales)[..., None] + 0 * values
    whole = _whole(_over(values, step), -4, 3)
    above = (whole + 4).reshape(-1, 8, 32)
    mask = ((above >> 2) << np.arange(8)[None, :, None]).sum(1).astype(np.uint8)
    low = ((above & 3).reshape(-1, 2, 4, 32) << (np.arange(4) * 2)[None, None, :, None]).sum(2)
    six = scales + 32
    packed = np.concatenate(
        [
            (six[:, :8] & 15) | (six[:, 8:] & 15) << 4,
            ((six >> 4).reshape(-1, 4, 4) << (np.arange(4) * 2)[None, :, None]).sum(1),
        ],
        axis=1,
    ).astype(np.uint8)
    return _joined(mask, low.astype(np.uint8), packed, d), step * whole


def _q2_k(rows: Floats) -> tuple[NDArray[np.uint8], Floats]:
    values = rows.reshape(-1, 16, 16).astype(np.float32)
    below = np.maximum(-values.min(2), 0)
    steps = (values.max(2) + below) / 3
    d = (steps.max(1, keepdims=True) / 15).astype("<f2")
    dmin = (below.max(1, keepdims=True) / 15).astype("<f2")
    scales = _whole(_over(steps, d.astype(np.float32) + 0 * steps), 0, 15)
    minima = _whole(_over(below, dmin.astype(np.float32) + 0 * below), 0, 15)
    step = (d.astype(np.float32) * scales)[..., None] + 0 * values
    base = (dmin.astype(np.float32) * minima)[..., None] + 0 * values
    whole = _whole(_over(values + base, step), 0, 3)
    quarters = whole.reshape(-1, 2, 4, 32) << (np.arange(4) * 2)[None, None, :, None]
    both = (scales | minima << 4).astype(np.uint8)
    return _joined(both, quarters.sum(2).astype(np.uint8), d, dmin), step * whole - base


UNEVEN = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32
)


def _nearest(values: Any) -> Any:
    return np.abs(values[..., None] - UNEVEN).argmin(-1)


def _iq4_nl(rows: Floats) -> tuple[NDArray[np.uint8], Floats]:
    values = rows.reshape(-1, 32).astype(np.float32)
    d = (np.abs(values).max(1, keepdims=True) / 113).astype("<f2")
    step = d.astype(np.float32) + 0 * values
    whole = _nearest(_over(values, step))
    return _joined(d, _halved(whole)), step * UNEVEN[whole]


def _iq4_xs(rows: Floats) -> tuple[NDArray[np.uint8], Floats]:
    values = rows.reshape(-1, 8, 32).astype(np.float32)
    steps = np.abs(values).max(2) / 113
    d = (steps.max(1, keepdims=True) / 31).astype("<f2")
    scales = _whole(_over(steps, d.astype(np.float32) + 0 * steps), 0, 31)
    step = (d.astype(np.float32) * scales)[..., None] + 0 * values
    whole = _nearest(_over(values, step))
    six = scales + 32
    upper = ((six >> 4) << (np.arange(8) * 2)).sum(1, keepdims=True).astype("<u2")
    lower = (six[:, 0::2] & 15 | (six[:, 1::2] & 15) << 4).astype(np.uint8)
    return _joined(d, upper, lower, _halved(whole)), step * UNEVEN[whole]


def _of_a_grid(type_name: str, block_bytes: int) -> Encoder:
    """Blocks of anything, as large as a row is: nothing for Python makes such blocks of values.

    What they hold is said by ggml's own package.
    """

    def encode(rows: Floats) -> tuple[NDArray[np.uint8], Floats]:
        blocks = np.concatenate([blocks_of(row) for row in rows.reshape(-1, rows.shape[-1])])
        return blocks, _values(type_name, blocks)

    def blocks_of(row: Floats) -> NDArray[np.uint8]:
        # A row has its own wherever it stands.
        dice = np.random.default_rng(crc32(row.tobytes()))
        blocks = dice.integers(0, 256, (row.size // 256, block_bytes), np.uint8)
        _set_scales(type_name, blocks, np.ones(len(blocks)))
        usual = np.sqrt((row**2).mean() / (_values(type_name, blocks) ** 2).mean())
        _set_scales(type_name, blocks, usual * dice.uniform(0.8, 1.2, len(blocks)))
        return blocks

    return encode


def _values(type_name: str, blocks: NDArray[np.uint8]) -> Floats:
    return dequantize(blocks, GGMLQuantizationType[type_name])


def _set_scales(type_name: str, blocks: NDArray[np.uint8], scales: Any) -> None:
    halves = scales.astype("<f2").view("<u2")[:, None]
    if type_name == "IQ1_M":
        fours = blocks[:, 48:].copy().view("<u2") & np.uint16(0xFFF)
        parts = halves >> np.arange(0, 16, 4, dtype=np.uint16) << np.uint16(12)
        blocks[:, 48:] = (fours | parts).view(np.uint8)
    else:
        blocks[:, :2] = halves.view(np.uint8)


ENCODERS: dict[str, Encoder] = {
    "Q4_0": _legacy(4, offset=False),
    "Q4_1": _legacy(4, offset=True),
    "Q5_0": _legacy(5, offset=False),
    "Q5_1": _legacy(5, offset=True),
    "Q8_0": _legacy(8, offset=False),
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _with_minima(4),
    "Q5_K": _with_minima(5),
    "Q6_K": _q6_k,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
    "IQ3_S": _of_a_grid("IQ3_S", 110),
    "IQ3_XXS": _of_a_grid("IQ3_XXS", 98),
    "IQ2_S": _of_a_grid("IQ2_S", 82),
    "IQ2_XS": _of_a_grid("IQ2_XS", 74),
    "IQ2_XXS": _of_a_grid("IQ2_XXS", 66),
    "IQ1_M": _of_a_grid("IQ1_M", 56),
    "IQ1_S": _of_a_grid("IQ1_S", 50),
}
