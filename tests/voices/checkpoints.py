"""The tiny model that speaks, written once for each run of the tests. Imports no MLX."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

_TIMEOUT_S = 300


def pocket_tts() -> Path:
    """Pocket TTS with the voices anna and bert, not to be written to.

    It never finds an end: what it says takes a second for each word, and two more.
    """
    return Path(_written().name, "pocket-tts-tiny")


@cache
def _written() -> TemporaryDirectory[str]:
    """Kept for as long as this process lives."""
    kept = TemporaryDirectory(prefix="mlx-gui-voices-")
    subprocess.run(
        [sys.executable, "-m", "tests.voices", f"{kept.name}/pocket-tts-tiny"],
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=_TIMEOUT_S,
    )
    return kept
