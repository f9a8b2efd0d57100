"""The forms that a device can hold the weights of a model in."""

from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.model import ModelFacts, WeightForm
from mlx_gui.kinds.quantization import is_affine


def weight_forms(facts: ModelFacts, device: DeviceFacts) -> tuple[WeightForm, ...]:
    """The forms that `device` can hold weights in, the fastest first and the last smallest."""
    if device.backend != "cpu":
        return ("stored",)
    if facts.quantization is None:
        return "float32", "stored"
    if device.blas is not None and device.blas.packed and is_affine(facts.quantization):
        return ("float32-scales",)
    return "float32", "float32-scales"
