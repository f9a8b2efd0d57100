"""Brings a model's weights into memory in the form that its device computes with fastest.

On a processor quantised and 16-bit products are slow loops, while float32 goes to BLAS; and packed
weights with 16-bit scales are slower by far than the same with float32 scales.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

from mlx_gui.core.model import WeightForm
from mlx_gui.engines.base import LoadReport
from mlx_gui.engines.cpu.packed import packed_products

DenseShells = Mapping[type[nn.Module], Callable[[mx.array], nn.Module]]
"""What takes the place of a packed layer, made of its unpacked weight."""

_GROUP_BYTES = 1 << 26

# The dense shells take lazy random weights, which nobody ever computes.
DENSE: DenseShells = MappingProxyType(
    {
        nn.QuantizedLinear: lambda w: nn.Linear(w.shape[1], w.shape[0], bias=False),
        nn.QuantizedEmbedding: lambda w: nn.Embedding(*w.shape),
    }
)


def hold_weights(
    model: nn.Module, form: WeightForm, report: LoadReport, *, shells: DenseShells = DENSE
) -> None:
    """Read the lazily loaded parameters of `model` and hold them in `form`.

    Of packed layers those that `shells` names are unpacked where the form is `float32`.

    Goes tensor by tensor, or by small groups of those that are only widened, so that besides what
    is held already little is in memory twice.
    Without quantised layers `float32-scales` is the same as `float32`. Raises RuntimeError when the
    files cannot be read.
    """
    packed = [
        (path, layer)
        for path, layer in model.named_modules()
        if form == "float32" and type(layer) in shells
    ]
    names = {path for path, _ in packed}
    parameters = cast(list[tuple[str, mx.array]], tree_flatten(model.parameters()))
    plain = [
        (path, array)
        for path, array in parameters
        if path.rpartition(".")[0] not in names or path.endswith(".bias")
    ]
    progress = _Progress(
        report,
        sum(_dense_bytes(layer) for _, layer in packed)
        + sum(array.size * _dtype(array, form).size for _, array in plain),
    )
    # What is named in a list stays in memory, so the lists shrink with the work.
    del parameters
    packed.reverse()
    while packed:
        path, layer = packed.pop()
        dense = _dense(layer, shells)
        model.update_modules(tree_unflatten([(path, dense)]))
        progress.add(dense["weight"].nbytes)
    plain.reverse()
    while plain:
        group = _next_group(plain, form)
        mx.eval([array for _, array in group])
        model.update(tree_unflatten(group))
        progress.add(sum(array.nbytes for _, array in group))
    if form == "float32-scales":
        _multiply_packed(model)


def _next_group(plain: list[tuple[str, mx.array]], form: WeightForm) -> list[tuple[str, mx.array]]:
    """Taken off the end of `plain`, in `form` and not computed yet.

    Several are read from their files at the same time; so many that they are worth it, and no more
    than fit beside what is held already.
    """
    group: list[tuple[str, mx.array]] = []
    size_bytes = 0
    while plain and size_bytes < _GROUP_BYTES:
        path, array = plain.pop()
        group.append((path, array.astype(_dtype(array, form))))
        size_bytes += group[-1][1].nbytes
    return group


def _dtype(array: mx.array, form: WeightForm) -> mx.Dtype:
    is_short = array.dtype in (mx.float16, mx.bfloat16)
    return mx.float32 if is_short and form != "stored" else array.dtype


def _dense_bytes(layer: Any) -> int:
    values = layer["weight"].nbytes * 8 // layer.bits
    return values * mx.float32.size


def _dense(layer: Any, shells: DenseShells) -> nn.Module:
    """The layer with plain float32 weights; an additive bias stays as it is."""
    scales, biases = layer["scales"], layer.get("biases")
    if layer.mode == "affine":
        # Dequantised in the dtype of the scales, 16-bit ones would round every weight.
        scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
    weight = mx.dequantize(
        layer["weight"],
        scales,
        biases,
        layer.group_size,
        layer.bits,
        mode=layer.mode,
        global_scale=layer.get("global_scale"),
        dtype=mx.float32,
    )
    mx.eval(weight)
    dense = shells[type(layer)](weight)
    dense.weight = weight
    if "bias" in layer:
        dense.bias = layer["bias"]
    return dense


def _multiply_packed(model: nn.Module) -> None:
    """Leave products with packed layers to whoever computes them faster than MLX, if anyone."""
    products = packed_products()
    if products is None:
        return
    for _, layer in model.named_modules():
        if {"scales", "biases"} <= layer.keys() and getattr(layer, "mode", None) == "affine":
            products.hold(
                layer["weight"],
                layer["scales"],
                layer["biases"],
                group_size=layer.group_size,
                bits=layer.bits,
            )


class _Progress:
    """Reports at most once a percent: a model has thousands of tensors."""

    def __init__(self, report: LoadReport, total_bytes: int) -> None:
        self._report = report
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._reported_bytes = 0
        report("weights", 0, total_bytes)

    def add(self, count_bytes: int) -> None:
        self._done_bytes += count_bytes
        news_bytes = self._done_bytes - self._reported_bytes
        if news_bytes * 100 >= self._total_bytes or self._done_bytes == self._total_bytes:
            self._report("weights", self._done_bytes, self._total_bytes)
            self._reported_bytes = self._done_bytes
