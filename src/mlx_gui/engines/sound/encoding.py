"""Sound of one channel becomes bytes of a format, as it comes."""

import sys
from io import BytesIO
from struct import pack
from typing import Any, Protocol, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from mlx_gui.core.sound_format import SoundFormat
from mlx_gui.engines.sound.aac import AacEncoder
from mlx_gui.engines.sound.source import Samples

RATE_HZ = 24_000
"""Of what has no place for a rate, and of what does not know the sound's own."""

_RATES_HZ: dict[SoundFormat, tuple[int, ...]] = {
    "pcm": (RATE_HZ,),
    "opus": (8_000, 12_000, 16_000, 24_000, 48_000),
    "mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
}
"""Formats that are not taken at all rates."""
_LARGEST = 32_767
_UNKNOWN_BYTES = 0xFFFF_FFFF
"""What a file says of its size that is written before that is known; players take it so."""
_MP3: dict[str, Any] = {
    "format": "MP3",
    "subtype": "MPEG_LAYER_III",
    # Frames of one size, so that the length can be told without a table at the beginning.
    "bitrate_mode": "CONSTANT",
    "compression_level": 0.3,
}
_OPUS: dict[str, Any] = {"format": "OGG", "subtype": "OPUS"}
_FLAC: dict[str, Any] = {"format": "FLAC", "subtype": "PCM_16"}


class Encoder(Protocol):
    """Takes samples between -1 and 1 of one channel; what is beyond is cut off."""

    def add(self, samples: Samples) -> bytes:
        """What can be sent of it now."""
        ...

    def end(self) -> bytes:
        """The rest. Nothing is added after it."""
        ...


def rate_of(format: SoundFormat, rate_hz: int) -> int:
    """The rate that sound of `rate_hz` has in `format`."""
    return rate_hz if rate_hz in _RATES_HZ.get(format, (rate_hz,)) else RATE_HZ


def encoder_of(format: SoundFormat, rate_hz: int) -> Encoder:
    """What makes `format` of sound of a rate that it takes. AAC is made on macOS alone."""
    match format:
        case "pcm":
            return PcmEncoder()
        case "wav":
            return PcmEncoder(_wav_header(rate_hz))
        case "flac":
            return WholeEncoder(rate_hz, _FLAC)
        case "mp3":
            return StreamedEncoder(rate_hz, _MP3)
        case "opus":
            return StreamedEncoder(rate_hz, _OPUS)
        case "aac":
            assert sys.platform == "darwin", "asked for where it is made"
            return AacEncoder(rate_hz)


class PcmEncoder:
    """16-bit samples, the lower byte first, behind `header`."""

    def __init__(self, header: bytes = b"") -> None:
        self._header = header

    def add(self, samples: Samples) -> bytes:
        header, self._header = self._header, b""
        return header + _integers(samples).astype("<i2").tobytes()

    def end(self) -> bytes:
        return self._header


class StreamedEncoder:
    """A format of libsndfile's whose beginning does not depend on its end."""

    def __init__(self, rate_hz: int, how: dict[str, Any]) -> None:
        self._outlet = _Outlet()
        self._file = _opened(self._outlet, rate_hz, how)

    def add(self, samples: Samples) -> bytes:
        self._file.write(_bounded(samples))
        return self._outlet.taken()

    def end(self) -> bytes:
        self._file.close()
        return self._outlet.taken()


class WholeEncoder:
    """A format of libsndfile's that says at its beginning how long it is: it comes at the end."""

    def __init__(self, rate_hz: int, how: dict[str, Any]) -> None:
        self._bytes = BytesIO()
        self._file = _opened(self._bytes, rate_hz, how)

    def add(self, samples: Samples) -> bytes:
        self._file.write(_integers(samples))
        return b""

    def end(self) -> bytes:
        self._file.close()
        return self._bytes.getvalue()


class _Outlet:
    """A file whose bytes are taken as they are written.

    What is written once more, when all is known, is the frame of MP3 that holds no sound: it stays
    as it was.
    """

    def __init__(self) -> None:
        self._fresh = bytearray()
        self._end = 0
        self._position = 0

    def taken(self) -> bytes:
        fresh = bytes(self._fresh)
        self._fresh.clear()
        return fresh

    def write(self, data: bytes) -> int:
        if self._position == self._end:
            self._fresh += data
            self._end += len(data)
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._end)[whence]
        return self._position

    def tell(self) -> int:
        return self._position


def _opened(file: _Outlet | BytesIO, rate_hz: int, how: dict[str, Any]) -> Any:
    return soundfile.SoundFile(cast(Any, file), "w", samplerate=rate_hz, channels=1, **how)


def _bounded(samples: Samples) -> Samples:
    return np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0)


def _integers(samples: Samples) -> NDArray[np.int16]:
    return np.rint(_bounded(samples) * _LARGEST).astype(np.int16)


def _wav_header(rate_hz: int) -> bytes:
    """That of 16-bit samples of one channel, of an unknown length."""
    shape = pack("<HHIIHH", 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    head = b"RIFF" + pack("<I", _UNKNOWN_BYTES) + b"WAVEfmt " + pack("<I", len(shape)) + shape
    return head + b"data" + pack("<I", _UNKNOWN_BYTES)
