"""The formats that sound is made in, and which of them this system makes."""

import sys
from typing import Literal

from mlx_gui.core.errors import InvalidRequest

SoundFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]

FORMATS: tuple[SoundFormat, ...] = ("mp3", "opus", "aac", "flac", "wav", "pcm")
_OF_MACOS: tuple[SoundFormat, ...] = ("aac",)
"""Formats that only macOS makes here."""


def check_format(format: SoundFormat) -> None:
    """Raises InvalidRequest for a format that is not made on this system."""
    if format in _OF_MACOS and sys.platform != "darwin":
        made = [each for each in FORMATS if each not in _OF_MACOS]
        raise InvalidRequest(
            f"`{format}` is made on macOS alone; this server makes {', '.join(made)}.",
            hint="Ask for one of them.",
            param="response_format",
        )
