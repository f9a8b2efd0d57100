"""Templates that may take long in one piece run in a process of their own, which can be ended.

So whatever a template does, its request is answered soon, and nothing else of the worker waits or
runs out of memory for it. Templates of models do little and run here.
"""

import json
import socket
import struct
import subprocess
import time
import weakref
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import psutil

from mlx_gui.core.errors import WorkerFailed
from mlx_gui.engines.text.template import MAX_S, TemplateFailed, Templates, check_source
from mlx_gui.engines.text.template_costs import Heavy
from mlx_gui.ipc.spawn import child_argv

HEADER = struct.Struct(">cQ")
"""What comes: a letter for what it is, and how many bytes follow."""
READY, TEXT, FAILED = b"r", b"t", b"f"

_START_S = 60.0
_GRACE_S = 0.5
"""So much longer than it may run: by itself it ends with a better reason."""
_LOOK_S = 0.05
_MEMORY_BYTES = 1_000_000_000
_KEPT_BYTES = 150_000_000
"""A process that holds more than that after a rendering is not kept for the next."""


class TemplateRunner:
    """Renders templates, those of `own` sources in this process while that is quick.

    For one thread. `begin` is called with each request: all that is rendered for it shares the time
    that one rendering may take.
    """

    def __init__(self, own: Collection[str]) -> None:
        self._own = frozenset(own)
        self._here = Templates(gently=True)
        self._apart: _TemplateProcess | None = None
        self._until_s: float | None = None

    def begin(self) -> None:
        """From here on it is another request."""
        self._until_s = time.monotonic() + MAX_S

    def render(self, source: str, variables: Mapping[str, Any]) -> str:
        """The text. Raises TemplateFailed with what the template raised, or why it was stopped.

        Raises WorkerFailed when no process can be started.
        """
        check_source(source)
        until_s = time.monotonic() + MAX_S if self._until_s is None else self._until_s
        if source in self._own:
            with suppress(Heavy):
                return self._here.render(source, variables, until_s=until_s)
        if self._apart is None:
            began_s = time.monotonic()
            self._apart = _TemplateProcess.start()
            # Ours was the wait for it.
            until_s += time.monotonic() - began_s
        try:
            return self._apart.render(source, variables, until_s=until_s)
        finally:
            if not self._apart.usable():
                self._apart.end()
                self._apart = None


class _TemplateProcess:
    """A child that renders one template after the other; see `worker/templates.py`."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._broken = False
        # It ends with whoever had it, also where nobody says so.
        self.end = weakref.finalize(self, _end, process, channel)

    @classmethod
    def start(cls) -> "_TemplateProcess":
        """One that is ready. Raises WorkerFailed."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = subprocess.Popen(
                    child_argv("template", theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
            started = cls(process, ours)
            started._receive(time.monotonic() + _START_S)
        except (OSError, TemplateFailed) as problem:
            # A process that is there sees the end of its channel.
            ours.close()
            raise WorkerFailed(
                f"No process for the chat template could be started: {problem}",
                hint="Send the request again.",
            ) from problem
        return started

    def render(self, source: str, variables: Mapping[str, Any], *, until_s: float) -> str:
        asked = {"source": source, "variables": variables, "left_s": until_s - time.monotonic()}
        try:
            content = json.dumps(asked, default=str).encode()
        except RecursionError as problem:
            raise TemplateFailed("something in the request is nested too deeply") from problem
        self._broken = True
        try:
            self._channel.settimeout(_START_S)
            self._channel.sendall(HEADER.pack(TEXT, len(content)) + content)
            kind, answer = self._receive(until_s + _GRACE_S)
        except ConnectionError as problem:
            raise TemplateFailed("it needs too much memory, or its process was ended") from problem
        self._broken = False
        text = answer.decode(errors="surrogatepass")
        if kind == FAILED:
            raise TemplateFailed(text)
        return text

    def usable(self) -> bool:
        """Whether another template may be rendered by it."""
        return not self._broken and self._held_bytes() <= _KEPT_BYTES

    def _receive(self, until_s: float) -> tuple[bytes, bytes]:
        """What it says, and of which kind. Raises TemplateFailed if that takes too much."""
        kind, length = HEADER.unpack(self._bytes(HEADER.size, until_s))
        return kind, self._bytes(length, until_s)

    def _bytes(self, length: int, until_s: float) -> bytes:
        received = bytearray()
        while len(received) < length:
            if time.monotonic() > until_s:
                raise TemplateFailed("it runs for too long")
            if self._held_bytes() > _MEMORY_BYTES:
                raise TemplateFailed("it needs too much memory")
            self._channel.settimeout(_LOOK_S)
            with suppress(TimeoutError):
                data = self._channel.recv(min(length - len(received), 1 << 20))
                if not data:
                    raise ConnectionResetError("it is gone")
                received += data
        return bytes(received)

    def _held_bytes(self) -> int:
        try:
            return psutil.Process(self._process.pid).memory_info().rss
        except (psutil.Error, OSError):
            return 0


def _end(process: subprocess.Popen[bytes], channel: socket.socket) -> None:
    channel.close()
    process.kill()
    process.wait()
