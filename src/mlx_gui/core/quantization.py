"""How weights are packed into fewer bits, as MLX does it, and what that takes."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from mlx_gui.core.errors import InvalidRequest

QuantizationMode = Literal["affine", "mxfp4", "nvfp4", "mxfp8"]

_SHAPES: Mapping[QuantizationMode, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "affine": ((2, 3, 4, 5, 6, 8), (32, 64, 128)),
    "mxfp4": ((4,), (32,)),
    "nvfp4": ((4,), (16,)),
    "mxfp8": ((8,), (32,)),
}
"""The bits and the group sizes of each mode."""
_USUAL: Mapping[QuantizationMode, tuple[int, int]] = {
    "affine": (4, 64),
    "mxfp4": (4, 32),
    "nvfp4": (4, 16),
    "mxfp8": (8, 32),
}


class Quantization(msgspec.Struct, frozen=True):
    """`group_size` weights of a row share a scale, and in the mode `affine` a bias."""

    bits: int
    group_size: int
    mode: QuantizationMode = "affine"

    @property
    def bits_per_weight(self) -> float:
        """With what the group shares: 32 bits in `affine`, else 8."""
        return self.bits + (32 if self.mode == "affine" else 8) / self.group_size

    @property
    def words(self) -> str:
        """What a model's name says of it, like `4bit`."""
        return f"{self.bits}bit" if self.mode == "affine" else self.mode


def checked_quantization(
    mode: QuantizationMode, bits: int | None, group_size: int | None
) -> Quantization:
    """The quantization that is meant, the usual one of the mode where nothing is said.

    Raises InvalidRequest for what MLX cannot do.
    """
    usual_bits, usual_group = _USUAL[mode]
    wanted = Quantization(
        usual_bits if bits is None else bits,
        usual_group if group_size is None else group_size,
        mode,
    )
    for value, allowed, param in (
        (wanted.bits, _SHAPES[mode][0], "bits"),
        (wanted.group_size, _SHAPES[mode][1], "group_size"),
    ):
        if value not in allowed:
            raise InvalidRequest(
                f"With the mode {mode}, {param} cannot be {value}.",
                hint=f"It can be {', '.join(map(str, allowed))}.",
                param=param,
            )
    return wanted
