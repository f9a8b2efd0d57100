"""The linear layers behind the pooling, out of the folders that `modules.json` names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from mlx_gui.core.errors import LoadFailed
from mlx_gui.engines.folder import read_json

_ACTIVATIONS: Mapping[str, Callable[[mx.array], mx.array]] = MappingProxyType(
    {
        "Identity": lambda x: x,
        "Tanh": mx.tanh,
        "ReLU": nn.relu,
        "GELU": nn.gelu,
        "SiLU": nn.silu,
        "Sigmoid": mx.sigmoid,
    }
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One layer, in 32 bits."""

    weight: mx.array
    bias: mx.array | None
    activation: Callable[[mx.array], mx.array]

    def __call__(self, rows: mx.array) -> mx.array:
        product = rows @ self.weight.T
        return self.activation(product if self.bias is None else product + self.bias)


def load_stages(folder: Path, names: Sequence[str], model_id: str) -> tuple[Stage, ...]:
    """Those in the folders `names`. Raises LoadFailed where one has no weights in safetensors."""
    return tuple(_load(folder / name, model_id) for name in names)


def _load(folder: Path, model_id: str) -> Stage:
    config = read_json(folder / "config.json", model_id)
    file = folder / "model.safetensors"
    if not file.is_file():
        raise LoadFailed(
            f"{model_id} has no {folder.name}/model.safetensors.",
            hint="Pickles are never read; look for the model in safetensors.",
        )
    weights: Any = mx.load(str(file))
    if "linear.weight" not in weights:
        raise LoadFailed(f"{folder.name}/model.safetensors of {model_id} has no linear.weight.")
    arrays = {name: array.astype(mx.float32) for name, array in weights.items()}
    mx.eval(arrays)
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    return Stage(arrays["linear.weight"], arrays.get("linear.bias"), _ACTIVATIONS[activation])
