"""AAC in frames of ADTS, made by macOS itself.

AudioToolbox gives its bytes to a callback, so no file is needed. Its functions are looked up when
the first such sound is made; nothing here runs elsewhere than on macOS.
"""

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, byref, c_int32, c_int64, c_uint32, c_void_p, sizeof
from functools import cache
from typing import Any

import numpy as np

from mlx_gui.core.errors import WorkerFailed
from mlx_gui.engines.sound.audio_toolbox import (
    LIBRARY,
    BufferList,
    StreamDescription,
    code_of,
    floats,
    spelled,
)
from mlx_gui.engines.sound.source import Samples

_READ = CFUNCTYPE(c_int32, c_void_p, c_int64, c_uint32, c_void_p, POINTER(c_uint32))
_WRITE = CFUNCTYPE(c_int32, c_void_p, c_int64, c_uint32, c_void_p, POINTER(c_uint32))
_SIZE = CFUNCTYPE(c_int64, c_void_p)
_RESIZE = CFUNCTYPE(c_int32, c_void_p, c_int64)
_PACKET_FRAMES = 1024


class AacEncoder:
    """See `encoding.Encoder`. `library` is the framework. Raises WorkerFailed."""

    def __init__(self, rate_hz: int, library: Any = None) -> None:
        self._library: Any = _framework() if library is None else library
        self._content = bytearray()
        self._sent_bytes = 0
        # Kept: they must live for as long as the framework may call them.
        self._callbacks = (
            _READ(self._read_at),
            _WRITE(self._write_at),
            _SIZE(lambda _: len(self._content)),
            _RESIZE(self._resize),
        )
        self._opened: list[tuple[Callable[[c_void_p], int], c_void_p]] = []
        packets = StreamDescription(
            rate_hz, code_of("aac ").value, 0, 0, _PACKET_FRAMES, 0, channels=1
        )
        audio, sound = c_void_p(), c_void_p()
        self._check(
            "AudioFileInitializeWithCallbacks",
            *(None, *self._callbacks, code_of("adts"), byref(packets), c_uint32(0), byref(audio)),
        )
        self._opened.append((self._library.AudioFileClose, audio))
        self._check("ExtAudioFileWrapAudioFileID", audio, c_uint32(1), byref(sound))
        self._opened.append((self._library.ExtAudioFileDispose, sound))
        self._sound = sound
        given = floats(rate_hz, 1)
        self._check(
            "ExtAudioFileSetProperty",
            *(sound, code_of("cfmt"), c_uint32(sizeof(given)), byref(given)),
        )

    def add(self, samples: Samples) -> bytes:
        held = np.ascontiguousarray(samples, np.float32)
        buffers = BufferList(1, 1, held.nbytes, held.ctypes.data)
        self._check("ExtAudioFileWrite", self._sound, c_uint32(len(held)), byref(buffers))
        return self._fresh()

    def end(self) -> bytes:
        while self._opened:
            give_back, what = self._opened.pop()
            give_back(what)
        return self._fresh()

    def _fresh(self) -> bytes:
        """What is new of the file. Frames of ADTS are not written twice."""
        fresh = bytes(self._content[self._sent_bytes :])
        self._sent_bytes += len(fresh)
        return fresh

    def _check(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status:
            raise WorkerFailed(
                f"macOS makes no AAC: it says {spelled(status)} ({function}).",
                hint="Ask for another `response_format`.",
            )

    def _read_at(self, _: object, position: int, count: int, into: int, read: Any) -> int:
        data = bytes(self._content[position : position + count])
        ctypes.memmove(into, data, len(data))
        read[0] = len(data)
        return 0

    def _write_at(self, _: object, position: int, count: int, data: int, written: Any) -> int:
        self._content[position : position + count] = ctypes.string_at(data, count)
        written[0] = count
        return 0

    def _resize(self, _: object, size: int) -> int:
        del self._content[size:]
        self._content.extend(bytes(size - len(self._content)))
        return 0


@cache
def _framework() -> Any:
    library = ctypes.CDLL(LIBRARY)
    library.AudioFileInitializeWithCallbacks.argtypes = [
        *(c_void_p, _READ, _WRITE, _SIZE, _RESIZE, c_uint32, c_void_p, c_uint32),
        POINTER(c_void_p),
    ]
    library.ExtAudioFileWrapAudioFileID.argtypes = [c_void_p, c_uint32, POINTER(c_void_p)]
    library.ExtAudioFileSetProperty.argtypes = [c_void_p, c_uint32, c_uint32, c_void_p]
    library.ExtAudioFileWrite.argtypes = [c_void_p, c_uint32, c_void_p]
    for function in (library.AudioFileClose, library.ExtAudioFileDispose):
        function.argtypes = [c_void_p]
    return library
