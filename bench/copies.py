"""Copies of a model folder that hold its weights in another form: python -m bench.copies."""

import argparse
import shutil
from pathlib import Path

from mlx_lm.utils import load_model, save_config, save_model

from mlx_gui.core.model import WeightForm
from mlx_gui.engines.text.weights import hold_weights


def copy_model(source: Path, target: Path, form: WeightForm) -> None:
    """Write `target`, which plain mlx-lm loads in `form` as it stands."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors*"))
    model, config = load_model(source, lazy=True)
    hold_weights(model, form, lambda *_: None)
    save_model(target, model)
    if form == "float32":
        config.pop("quantization", None)
        config.pop("quantization_config", None)
    save_config(config, target / "config.json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("form")
    arguments = parser.parse_args()
    copy_model(arguments.source, arguments.target, arguments.form)
