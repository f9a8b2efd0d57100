"""The tiny speech model, trained on first use and kept between runs. Imports no MLX."""

from pathlib import Path

from tests.support.built import built

_TIMEOUT_S = 3600


def parakeet_tones() -> Path:
    """Parakeet TDT that writes a word for each tone (`signals.WORDS`)."""
    return built("tests.tones", "parakeet-tdt-tones", timeout_s=_TIMEOUT_S)
