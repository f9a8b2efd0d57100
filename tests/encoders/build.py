"""Writes all tiny encoders: the files of their blueprints beside random weights."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from tests.encoders.families import FAMILIES, Blueprint

_GROUP_SIZE = 64
_SEED = 5


def build(blueprint: Blueprint, folder: Path) -> None:
    """Fills `folder`."""
    folder.mkdir(parents=True)
    blueprint.tokenizer.save(str(folder / "tokenizer.json"))
    _write(folder / "tokenizer_config.json", blueprint.tokenizer_config)
    for path, content in blueprint.files.items():
        _write(folder / path, content)
    package = importlib.import_module(f"{blueprint.library}.models.{blueprint.package}")
    mx.random.seed(_SEED)
    model = getattr(package, blueprint.of_class)(_model_config(package, blueprint.config))
    config = dict(blueprint.config)
    if blueprint.bits:
        nn.quantize(model, group_size=_GROUP_SIZE, bits=blueprint.bits)
        config["quantization"] = {"group_size": _GROUP_SIZE, "bits": blueprint.bits}
    weights: dict[str, mx.array] = dict(tree_flatten(model.parameters()))  # type: ignore[arg-type]
    # Layers of the architecture's own lie in their folders, as the original has them.
    weights = {name: array for name, array in weights.items() if not name.startswith("dense.")}
    _save(folder / "model.safetensors", weights)
    for name, (width, height) in blueprint.dense.items():
        layer = {"linear.weight": mx.random.normal((height, width)) / width**0.5}
        if blueprint.files[f"{name}/config.json"]["bias"]:
            layer["linear.bias"] = mx.random.normal((height,))
        _save(folder / name / "model.safetensors", layer)
    _write(folder / "config.json", config)


def _model_config(package: Any, config: dict[str, Any]) -> Any:
    kinds = config.get("layer_types", [])
    pattern = {"sliding_window_pattern": kinds.index("full_attention") + 1} if kinds else {}
    of_model = getattr(package, "ModelConfig", None) or package.ModelArgs
    return of_model.from_dict({**config, **pattern})


def _save(file: Path, arrays: dict[str, mx.array]) -> None:
    mx.eval(arrays)
    file.parent.mkdir(exist_ok=True)
    mx.save_safetensors(str(file), arrays, metadata={"format": "mlx"})


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, indent=2)
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name, blueprint in FAMILIES.items():
        build(blueprint(), Path(sys.argv[1]) / name)
