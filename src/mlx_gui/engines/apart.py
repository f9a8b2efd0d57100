"""A child of a worker for work on what strangers send, which can be ended while it is at it.

What such work takes is not known before, and nothing interrupts one long call from inside. So it is
done apart, one piece after the other, and the child is killed when it takes too long or too much.
"""

import socket
import struct
import subprocess
import time
import weakref
from collections.abc import Callable
from contextlib import suppress

import psutil

from mlx_gui.core.errors import WorkerFailed
from mlx_gui.core.program import explained
from mlx_gui.ipc.spawn import ApartRole, child_argv

HEADER = struct.Struct(">cQ")
"""What goes over the channel: a letter for what it is, and how many bytes follow."""
READY, ASKED, ANSWER, FAILED = b"r", b"a", b"t", b"f"

_START_S = 60.0
_LOOK_S = 0.05
_KEPT_BYTES = 150_000_000
"""A process that holds more than that after its work is not kept for the next."""


class TooMuch(Exception):
    """The work was ended; the text says what it took too much of."""


class TooLong(TooMuch):
    """The work was ended since its time was over."""


class Ended(TooMuch):
    """The child was ended, and not by us: most likely the system had no memory for it."""


class ApartProcess:
    """One child, for one thread. It holds `memory_bytes` at most, or is ended."""

    def __init__(
        self, process: subprocess.Popen[bytes], channel: socket.socket, *, memory_bytes: int
    ) -> None:
        self._process = process
        self._channel = channel
        self._memory_bytes = memory_bytes
        self._broken = False
        # It ends with whoever had it, also where nobody says so.
        self.end = weakref.finalize(self, _end, process, channel)

    @classmethod
    def start(cls, role: ApartRole, *, memory_bytes: int) -> "ApartProcess":
        """One that is ready. Raises WorkerFailed and ProgramGone."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = subprocess.Popen(
                    child_argv(role, theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
            started = cls(process, ours, memory_bytes=memory_bytes)
            started._receive(time.monotonic() + _START_S, _go_on)
        except (OSError, TooMuch) as problem:
            # A process that is there sees the end of its channel.
            ours.close()
            failure = WorkerFailed(
                f"No process for the {role} could be started: {problem}",
                hint="Send the request again.",
            )
            raise explained(failure) from problem
        return started

    def ask(
        self, content: bytes, *, until_s: float, look: Callable[[], None] | None = None
    ) -> tuple[bytes, bytes]:
        """ANSWER or FAILED, and what it says. Raises TooMuch, and what `look` raises meanwhile."""
        self._broken = True
        try:
            self._channel.settimeout(_START_S)
            self._channel.sendall(HEADER.pack(ASKED, len(content)) + content)
            answer = self._receive(until_s, look or _go_on)
        except ConnectionError as problem:
            raise Ended("it needs too much memory, or its process was ended") from problem
        self._broken = False
        return answer

    def usable(self) -> bool:
        """Whether it may be asked again."""
        alive = self._process.poll() is None
        return alive and not self._broken and self._held_bytes() <= _KEPT_BYTES

    def _receive(self, until_s: float, look: Callable[[], None]) -> tuple[bytes, bytes]:
        kind, length = HEADER.unpack(self._bytes(HEADER.size, until_s, look))
        return kind, self._bytes(length, until_s, look)

    def _bytes(self, length: int, until_s: float, look: Callable[[], None]) -> bytes:
        if length > self._memory_bytes:
            raise TooMuch("it says too much")
        received = bytearray(length)
        rest = memoryview(received)
        self._channel.settimeout(_LOOK_S)
        looked_s = 0.0
        while rest:
            if (now_s := time.monotonic()) - looked_s >= _LOOK_S:
                looked_s = now_s
                look()
                self._check(until_s)
            with suppress(TimeoutError):
                count = self._channel.recv_into(rest)
                if not count:
                    raise ConnectionResetError("it is gone")
                rest = rest[count:]
        return bytes(received)

    def _check(self, until_s: float) -> None:
        if time.monotonic() > until_s:
            raise TooLong("it runs for too long")
        if self._held_bytes() > self._memory_bytes:
            raise TooMuch("it needs too much memory")

    def _held_bytes(self) -> int:
        try:
            return psutil.Process(self._process.pid).memory_info().rss
        except (psutil.Error, OSError):
            return 0


def serve_apart(channel: socket.socket, work: Callable[[bytes], tuple[bytes, bytes]]) -> int:
    """The child's side: `work` makes ANSWER or FAILED and their content of what comes.

    Returns the exit code, once the worker is gone.
    """
    _send(channel, READY, b"")
    with channel.makefile("rb") as requests:
        while header := requests.read(HEADER.size):
            _, length = HEADER.unpack(header)
            _send(channel, *work(requests.read(length)))
    return 0


def _send(channel: socket.socket, kind: bytes, content: bytes) -> None:
    channel.sendall(HEADER.pack(kind, len(content)))
    channel.sendall(content)


def _end(process: subprocess.Popen[bytes], channel: socket.socket) -> None:
    channel.close()
    process.kill()
    process.wait()


def _go_on() -> None:
    """Nobody looks."""
