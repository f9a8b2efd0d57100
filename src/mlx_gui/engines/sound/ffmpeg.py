"""M4A, MP4, WebM and what else libsndfile does not read, by an ffmpeg of the system.

It is a child without network, playlists and files of its own, bounded in memory, in time and in
what it may write, and it ends with the pipe that it writes into.
"""

import contextlib
import os
import re
import resource
import selectors
import shutil
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mlx_gui.core.errors import UnsupportedMedia
from mlx_gui.engines.sound.mono import RATE_HZ
from mlx_gui.engines.sound.mp4 import mp4_duration_s
from mlx_gui.engines.sound.source import PARAM, Samples, damaged

PROGRAM = "ffmpeg"
_DEMUXERS = "mov,matroska,aac,amr,asf,ac3,mp3,avi,wv,ape"
_MEMORY_BYTES = 1 << 31
_STALL_S = 20.0
_CPU_S = 3600
_SAMPLE_BYTES = 4
_SAID_BYTES = 2000
_END_S = 5.0


class FfmpegSource:
    """See `source.SoundSource`: what ffmpeg makes of the file that `file` has open.

    Raises UnsupportedMedia where there is no ffmpeg; `name` is what the format is called.
    """

    rate_hz = RATE_HZ
    channels = 1

    def __init__(self, file: BinaryIO, name: str) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise no_decoder(name)
        duration_s = mp4_duration_s(file)
        self.promised_frames = None if duration_s is None else round(duration_s * RATE_HZ)
        self._rest = b""
        self._said = b""
        self._wrote = False
        self._child = subprocess.Popen(
            _command(program, file.fileno()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(file.fileno(),),
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            start_new_session=True,
        )
        # Kept open until the child has opened it by itself, which may be any time.
        self._file = file
        _bound(self._child.pid)
        self._pipes = selectors.DefaultSelector()
        for pipe in (self._child.stdout, self._child.stderr):
            assert pipe is not None
            self._pipes.register(pipe, selectors.EVENT_READ)

    def read(self, frames: int) -> Samples:
        wanted = frames * _SAMPLE_BYTES
        data = bytearray(self._rest)
        while len(data) < wanted and (piece := self._piece(wanted - len(data))):
            data += piece
        whole = len(data) - len(data) % _SAMPLE_BYTES
        self._rest = bytes(data[whole:])
        if not whole:
            self._check_end()
        self._wrote = self._wrote or whole > 0
        return np.frombuffer(bytes(data[:whole]), np.float32).reshape(-1, 1)

    def close(self) -> None:
        child = self._child
        if child.poll() is None:
            child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_END_S)
        self._pipes.close()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        self._file.close()

    def _piece(self, count: int) -> bytes:
        """What it has written, up to `count` bytes; nothing at its end. Raises when it hangs."""
        while True:
            ready = [key.fileobj for key, _ in self._pipes.select(_STALL_S)]
            if not ready:
                self._child.kill()
                raise damaged(f"ffmpeg made nothing of it for {_STALL_S:g} s")
            if self._child.stderr in ready:
                self._hear_complaints()
            if self._child.stdout in ready:
                assert self._child.stdout is not None
                return os.read(self._child.stdout.fileno(), count)

    def _hear_complaints(self) -> None:
        """Keep the last of what it says of the file; a pipe that is full would stop it."""
        pipe = self._child.stderr
        assert pipe is not None
        said = os.read(pipe.fileno(), _SAID_BYTES)
        self._said = (self._said + said)[-_SAID_BYTES:]
        if not said:
            self._pipes.unregister(pipe)

    def _check_end(self) -> None:
        """Raises InvalidRequest where it failed, or found no sound."""
        try:
            status = self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            raise damaged("ffmpeg does not come to an end with it") from None
        if status == 0 and self._wrote:
            return
        while self._child.stderr in [key.fileobj for key in self._pipes.get_map().values()]:
            self._hear_complaints()
        lines = [line.strip() for line in self._said.decode(errors="replace").split("\n")]
        # Its name is that of a descriptor.
        told = [re.sub(r"^/dev/fd/\d+: ", "", line).rstrip(".") for line in lines if line]
        raise damaged(told[-1] if told else "there is no sound in it")


def no_decoder(name: str) -> UnsupportedMedia:
    """The refusal of a format that nothing here reads."""
    where = (
        "Install ffmpeg (Homebrew: `brew install ffmpeg`)"
        if sys.platform == "darwin"
        else "Install ffmpeg (Debian and Ubuntu: `apt install ffmpeg`)"
    )
    return UnsupportedMedia(
        f"The file is {name}, and there is no ffmpeg on the PATH of the server to read it.",
        hint=f"{where}, or send WAV, MP3, FLAC, Ogg, Opus, AIFF or CAF.",
        details={"param": PARAM},
    )


def _command(program: str, descriptor: int) -> list[str]:
    opened = ["-protocol_whitelist", "file", "-format_whitelist", _DEMUXERS]
    sound_only = ["-map", "0:a:0", "-vn", "-sn", "-dn", "-ac", "1", "-ar", str(RATE_HZ)]
    return [
        *(program, "-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"),
        *opened,
        *("-i", str(Path("/dev/fd") / str(descriptor))),
        *sound_only,
        *("-map_metadata", "-1", "-f", "f32le", "pipe:1"),
    ]


def _bound(pid: int) -> None:
    """Hold the child to memory, time and no files, where the system can do so from outside."""
    if sys.platform != "linux":
        return
    limits = (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    )
    for what, most in limits:
        # It may have ended, and a limit that is lower already stays.
        with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
            resource.prlimit(pid, what, (most, most))
