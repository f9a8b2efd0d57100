"""What packs the weights of a kind of model: its own library reads, packs and writes it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mlx.nn as nn

from mlx_gui.core.model import Kind


@dataclass(frozen=True, slots=True)
class Packing:
    """The parts of a library. `load` gives a model none of whose weights are read yet, and what its
    config.json says; `stays` says of a part, by its path, that it is left as it is."""

    load: Callable[[Path], tuple[nn.Module, dict[str, Any]]]
    quantize: Callable[..., tuple[nn.Module, dict[str, Any]]]
    save: Callable[[Path, nn.Module], None]
    save_config: Callable[..., None]
    stays: Callable[[str], bool]


def packing_of(kind: Kind) -> Packing:
    """For models of the kinds text and vision. Imports the library."""
    return _of_mlx_vlm() if kind == "vision" else _of_mlx_lm()


def _of_mlx_lm() -> Packing:
    from mlx_gui.engines.text import mlx_lm

    return Packing(
        load=partial(mlx_lm.load_model, lazy=True),
        quantize=mlx_lm.quantize_model,
        save=partial(mlx_lm.save_model, donate_model=True),
        save_config=mlx_lm.save_config,
        stays=lambda _: False,
    )


def _of_mlx_vlm() -> Packing:
    """Towers stay as they are: they are small, and what they see suffers first."""
    from mlx_gui.engines.vision import mlx_vlm

    def load(source: Path) -> tuple[nn.Module, dict[str, Any]]:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        return mlx_vlm.load_model(source, lazy=True), config

    return Packing(
        load=load,
        quantize=mlx_vlm.quantize_model,
        save=partial(mlx_vlm.save_weights, donate_weights=True),
        save_config=mlx_vlm.save_config,
        stays=mlx_vlm.skip_multimodal_module,
    )
