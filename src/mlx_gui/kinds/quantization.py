"""How a checkpoint is quantized, and how many parameters its packed tensors stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from mlx_gui.kinds.architecture import language_part
from mlx_gui.kinds.checkpoint import Tensor


@dataclass(frozen=True, slots=True)
class Quantization:
    """MLX's own quantization; `group_sizes` holds the layers that differ from `group_size`."""

    bits: int
    group_size: int
    mode: str
    group_sizes: Mapping[str, int]

    def __str__(self) -> str:
        mode = "" if self.mode == "affine" else f" {self.mode}"
        return f"{self.bits}-bit{mode}, group {self.group_size}"


def is_affine(quantization: str) -> bool:
    """Whether numbers mean steps of equal width in all layers that do not differ, by its name."""
    return "-bit," in quantization


def read_quantization(config: Mapping[str, object]) -> Quantization | None:
    """None for a dense checkpoint and for the formats of other programs."""
    part = language_part(config)
    raw = part.get("quantization") or part.get("quantization_config")
    if not isinstance(raw, dict):
        return None
    settings = cast(dict[str, object], raw)
    bits, group_size = settings.get("bits"), settings.get("group_size")
    if type(bits) is not int or type(group_size) is not int or not (bits > 0 and group_size > 0):
        return None
    layers = {
        name: cast(dict[str, object], layer).get("group_size")
        for name, layer in settings.items()
        if isinstance(layer, dict)
    }
    group_sizes = {name: size for name, size in layers.items() if type(size) is int and size > 0}
    return Quantization(bits, group_size, str(settings.get("mode", "affine")), group_sizes)


def parameter_counts(
    tensors: Sequence[Tensor], quantization: Quantization | None
) -> dict[str, int]:
    """Unpacked parameters by tensor; scales and biases of packed ones are no parameters."""
    counts = {tensor.name: tensor.value_count for tensor in tensors}
    if quantization is None:
        return counts
    by_name = {tensor.name: tensor for tensor in tensors}
    for tensor in tensors:
        layer = tensor.name.removesuffix(".weight")
        scales = by_name.get(f"{layer}.scales")
        if tensor.dtype == "U32" and scales is not None:
            group_size = quantization.group_sizes.get(layer, quantization.group_size)
            counts[tensor.name] = scales.value_count * group_size
            counts.pop(scales.name, None)
            counts.pop(f"{layer}.biases", None)
    return counts
