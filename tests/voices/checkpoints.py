"""The tiny models that speak, written on first use and kept between runs. Imports no MLX."""

from pathlib import Path

from tests.support.built import built

_TIMEOUT_S = 300


def pocket_tts() -> Path:
    """Pocket TTS with the voices anna and bert, not to be written to.

    It never finds an end: what it says takes a second for each word, and two more.
    """
    return built("tests.voices", "pocket-tts-tiny", timeout_s=_TIMEOUT_S)


def qwen3_tts() -> Path:
    """Qwen3-TTS with the voices anna and bert, not to be written to. What it says is short."""
    return built("tests.voices", "qwen3-tts-tiny", "--qwen", timeout_s=_TIMEOUT_S)
