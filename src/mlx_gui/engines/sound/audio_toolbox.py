"""M4A, MP4, MOV, AAC and AMR, read by macOS itself.

AudioToolbox asks for bytes by callbacks, so the file needs no name. Its functions are looked up
when the first such file comes; nothing here runs elsewhere than on macOS.
"""

import ctypes
import os
from collections.abc import Callable
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_double,
    c_int32,
    c_int64,
    c_uint32,
    c_void_p,
    sizeof,
)
from functools import cache
from typing import Any, BinaryIO

import numpy as np

from mlx_gui.engines.sound.source import Samples, damaged

READ_BY_MACOS = ("M4A or MP4", "MOV", "AAC", "AMR")
"""Names of `formats.Format` that it knows."""

LIBRARY = "/System/Library/Frameworks/AudioToolbox.framework/AudioToolbox"
_READ = CFUNCTYPE(c_int32, c_void_p, c_int64, c_uint32, c_void_p, POINTER(c_uint32))
_SIZE = CFUNCTYPE(c_int64, c_void_p)
_FLOAT_PACKED = 1 | 8
_VALUE_BYTES = 4


class StreamDescription(Structure):
    """AudioStreamBasicDescription."""

    _fields_ = (
        ("rate_hz", c_double),
        ("format", c_uint32),
        ("flags", c_uint32),
        ("packet_bytes", c_uint32),
        ("packet_frames", c_uint32),
        ("frame_bytes", c_uint32),
        ("channels", c_uint32),
        ("channel_bits", c_uint32),
        ("reserved", c_uint32),
    )


class BufferList(Structure):
    """AudioBufferList of one buffer."""

    _fields_ = (
        ("buffers", c_uint32),
        ("channels", c_uint32),
        ("size_bytes", c_uint32),
        ("data", c_void_p),
    )


class AudioToolboxSource:
    """See `source.SoundSource`. `library` is the framework. Raises InvalidRequest."""

    def __init__(self, file: BinaryIO, library: Any = None) -> None:
        self._file = file
        self._library: Any = _framework() if library is None else library
        self._size_bytes = file.seek(0, os.SEEK_END)
        # Kept: they must live for as long as the framework may call them.
        self._callbacks = (_READ(self._read_at), _SIZE(lambda _: self._size_bytes))
        self._opened: list[tuple[Callable[[c_void_p], int], c_void_p]] = []
        audio, sound = c_void_p(), c_void_p()
        self._check(
            "AudioFileOpenWithCallbacks",
            None,
            self._callbacks[0],
            None,
            self._callbacks[1],
            None,
            c_uint32(0),
            byref(audio),
        )
        self._opened.append((self._library.AudioFileClose, audio))
        self._check("ExtAudioFileWrapAudioFileID", audio, c_uint32(0), byref(sound))
        self._opened.append((self._library.ExtAudioFileDispose, sound))
        self._sound = sound
        own = StreamDescription()
        self._property("ffmt", own)
        self.rate_hz, self.channels = int(own.rate_hz), max(int(own.channels), 1)
        frames = c_int64()
        self._property("#frm", frames)
        self.promised_frames: int | None = frames.value if frames.value > 0 else None
        wanted = floats(own.rate_hz, self.channels)
        self._check(
            "ExtAudioFileSetProperty",
            sound,
            code_of("cfmt"),
            c_uint32(sizeof(wanted)),
            byref(wanted),
        )

    def read(self, frames: int) -> Samples:
        samples = np.zeros((frames, self.channels), np.float32)
        buffers = BufferList(1, self.channels, samples.nbytes, samples.ctypes.data)
        count = c_uint32(frames)
        self._check("ExtAudioFileRead", self._sound, byref(count), byref(buffers))
        return samples[: count.value]

    def close(self) -> None:
        while self._opened:
            give_back, what = self._opened.pop()
            give_back(what)
        self._file.close()

    def _property(self, code: str, into: Structure | c_int64) -> None:
        size = c_uint32(sizeof(into))
        self._check("ExtAudioFileGetProperty", self._sound, code_of(code), byref(size), byref(into))

    def _check(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status:
            raise damaged(f"macOS says {spelled(status)} ({function})")

    def _read_at(self, _: object, position: int, count: int, into: int, read: Any) -> int:
        # A callback has nobody to raise to; what is missing is the end of the file.
        self._file.seek(position)
        data = self._file.read(count)
        ctypes.memmove(into, data, len(data))
        read[0] = len(data)
        return 0


def floats(rate_hz: float, channels: int) -> StreamDescription:
    """32-bit floats of all channels, one frame behind the other."""
    frame_bytes = _VALUE_BYTES * channels
    return StreamDescription(
        rate_hz, code_of("lpcm").value, _FLOAT_PACKED, frame_bytes, 1, frame_bytes, channels, 32, 0
    )


def code_of(letters: str) -> c_uint32:
    """Four letters, as the framework names things."""
    return c_uint32(int.from_bytes(letters.encode(), "big"))


def spelled(status: int) -> str:
    """A status, many of which are four letters."""
    letters = (status & 0xFFFF_FFFF).to_bytes(4, "big")
    return f"'{letters.decode('ascii')}'" if letters.isalnum() else str(status)


@cache
def _framework() -> Any:
    library = ctypes.CDLL(LIBRARY)
    library.AudioFileOpenWithCallbacks.argtypes = [
        *(c_void_p, _READ, c_void_p, _SIZE, c_void_p, c_uint32, POINTER(c_void_p))
    ]
    library.ExtAudioFileWrapAudioFileID.argtypes = [c_void_p, c_uint32, POINTER(c_void_p)]
    library.ExtAudioFileGetProperty.argtypes = [*(c_void_p, c_uint32, POINTER(c_uint32), c_void_p)]
    library.ExtAudioFileSetProperty.argtypes = [c_void_p, c_uint32, c_uint32, c_void_p]
    library.ExtAudioFileRead.argtypes = [c_void_p, POINTER(c_uint32), c_void_p]
    for function in (library.AudioFileClose, library.ExtAudioFileDispose):
        function.argtypes = [c_void_p]
    return library
