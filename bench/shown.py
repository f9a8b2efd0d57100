"""Pictures that measured servers are shown, and the model that sees them."""

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.child import ROOT
from bench.context import Context, environment


def seeing_model(context: Context, name: str, *flags: str) -> Path:
    """The folder of a new model; its id is `name`. `flags` are those of `bench.seeing_model`."""
    folder = context.models_dir / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "bench.seeing_model", str(folder), *flags],
        cwd=ROOT,
        env=environment(),
        check=True,
    )
    return folder


def noise(scratch: Path, number: int, *, side: int) -> Path:
    """A square file with sides of so many pixels; by each number another."""
    path = scratch / f"{number}.png"
    dice = np.random.default_rng(number)
    pixels = dice.integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def showing(path: Path) -> Any:
    """A turn of the user's that is the picture alone."""
    url = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
