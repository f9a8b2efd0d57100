"""Silero's detector of speech as mlx-audio reads it, out of the package of its authors."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from tests.real.packages import SILERO, cache, digest_of, fetched

_BRANCH = "vad_16k"


def silero_vad() -> Path:
    """Its folder, not to be written to. Of the two rates that it knows only 16 kHz is there."""
    kept = cache() / f"silero-vad-{digest_of(Path(__file__).read_text(encoding='utf-8'))}"
    weights = fetched(SILERO) / "silero_vad_16k.safetensors"
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with TemporaryDirectory(dir=kept.parent) as unfinished:
                folder = Path(unfinished) / "silero-vad"
                folder.mkdir()
                save_file(_renamed(load_file(weights)), folder / "model.safetensors")
                config = {"model_type": "silero_vad"}
                (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
                folder.rename(kept)
    return kept


def _renamed(weights: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Convolutions have their channels last in MLX, and its LSTM has one bias."""
    named: dict[str, NDArray[Any]] = {
        f"{_BRANCH}.lstm.Wx": weights["lstm_cell.weight_ih"],
        f"{_BRANCH}.lstm.Wh": weights["lstm_cell.weight_hh"],
        f"{_BRANCH}.lstm.bias": weights["lstm_cell.bias_ih"] + weights["lstm_cell.bias_hh"],
    }
    for name, weight in weights.items():
        if not name.startswith("lstm_cell."):
            turned = weight.swapaxes(1, 2) if weight.ndim == 3 else weight
            named[f"{_BRANCH}.{name}"] = np.ascontiguousarray(turned)
    return named
