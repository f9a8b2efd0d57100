"""The tiny Whisper of many languages, trained on first use and kept between runs."""

from pathlib import Path

from tests.support.built import built

_TIMEOUT_S = 1800


def whisper_tongues() -> Path:
    """Whisper that hears by a tone which of three languages is spoken (`sounds.py`)."""
    return built("tests.tongues", "whisper-tongues", timeout_s=_TIMEOUT_S)
