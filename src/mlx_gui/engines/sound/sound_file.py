"""WAV, MP3, FLAC, Ogg, Opus, AIFF, CAF and AU, read by libsndfile."""

import os
from typing import Any, BinaryIO, cast

import soundfile

from mlx_gui.engines.sound.source import Samples, damaged

_EXACT = ("WAV", "WAVEX", "RF64", "AIFF", "CAF", "FLAC", "AU", "W64")
"""Formats whose count of frames is what the file has, and no estimate."""
_OPEN_ENDED_BYTES = 0x7FFF_0000
"""Who writes into a pipe does not know the size, and names one that is as large as can be."""
_OF_ITSELF = ("does not exist", "internal")
"""Where libsndfile says these words it speaks of what it does, not of the file."""
_MISCOUNTED_BYTES = 8
"""So much too many do programs name that count these eight bytes as well, or a byte behind an odd
number of them that they have not written."""


class SoundFileSource:
    """See `source.SoundSource`. Raises InvalidRequest for what libsndfile does not open."""

    def __init__(self, file: BinaryIO) -> None:
        _check_whole(file)
        self._bytes = file
        try:
            self._file: Any = soundfile.SoundFile(cast(Any, file))
        except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
            raise damaged(_reason(error)) from None
        self.rate_hz = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        frames = int(self._file.frames)
        self.promised_frames = frames if 0 < frames < 2**62 else None
        self._exact = self._file.format in _EXACT and self.promised_frames is not None
        self._read_frames = 0

    def read(self, frames: int) -> Samples:
        try:
            samples = self._file.read(frames, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
            raise damaged(_reason(error)) from None
        self._read_frames += len(samples)
        if not len(samples) and self._exact and self._read_frames < (self.promised_frames or 0):
            raise damaged(
                f"it is truncated or damaged after {self._read_frames} of "
                f"{self.promised_frames} frames"
            )
        return samples

    def close(self) -> None:
        self._file.close()
        self._bytes.close()


def _check_whole(file: BinaryIO) -> None:
    """Raises InvalidRequest for a RIFF or FORM file that is shorter than it says.

    libsndfile takes what is there for all of it.
    """
    head = file.read(8)
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    if head[:4] not in (b"RIFF", b"FORM"):
        return
    declared_bytes = int.from_bytes(head[4:], "little" if head[:4] == b"RIFF" else "big")
    if size_bytes - 8 + _MISCOUNTED_BYTES < declared_bytes < _OPEN_ENDED_BYTES:
        raise damaged(f"it is truncated, with {size_bytes} of {declared_bytes + 8} bytes")


def _reason(error: Exception) -> str:
    text = str(getattr(error, "error_string", error)).strip().rstrip(".")
    if "SF_INFO" in text:
        return "its header says a rate or a number of channels that means nothing"
    if any(word in text.lower() for word in _OF_ITSELF):
        return "it begins like sound, and what follows makes no sense"
    return text.removeprefix("Error : ") or type(error).__name__
