"""The supervised child: every process that the control plane starts is one of these."""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

import structlog

from mlx_gui.ipc.channel import AsyncChannel, ProtocolError
from mlx_gui.ipc.diagnosis import Diagnosis, ExitCause, diagnose_exit, oom_kills
from mlx_gui.ipc.messages import (
    PROTOCOL_VERSION,
    FromChild,
    Hello,
    Prewarm,
    StartWorker,
    Stop,
    ToChild,
)
from mlx_gui.ipc.output import LogShare, read_line
from mlx_gui.ipc.spawn import Role, spawn

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

About = Callable[[str | None], Mapping[str, str]]

_TAIL_LINES = 60
_LINE_BYTES = 4096
_TAIL_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class ChildExit:
    """How a child ended. `reason` is a sentence part: "was killed by signal 11 (SIGSEGV)"."""

    returncode: int
    cause: ExitCause
    reason: str
    output_tail: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return self.cause == "clean"


class Child:
    """A child process, its channel and the tail of what it printed.

    `limited` says whether its memory is bounded by us.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        channel: AsyncChannel,
        *,
        limited: bool = False,
    ) -> None:
        self._process = process
        self._channel = channel
        self._limited = limited
        self.about: About = _nothing_known
        """Tells the log what a line is about, by the answer that it names; set by the owner."""
        self._log_share = LogShare()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._tail_task = asyncio.create_task(self._keep_tail(), name=f"tail-{process.pid}")
        self._protocol_problem: str | None = None
        # Two looks old at most: an end may take longer than from one look to the next.
        self._oom_kills = deque([oom_kills()], maxlen=2)
        self._exit = asyncio.create_task(self._await_exit(), name=f"exit-{process.pid}")

    @classmethod
    async def start(cls, role: Role, first: ToChild, environment: Mapping[str, str]) -> "Child":
        """A child of `role` that has been sent its first message. Raises OSError."""
        process, sock = await spawn(role, environment)
        limited = isinstance(first, StartWorker | Prewarm) and first.memory_limit_bytes > 0
        with contextlib.ExitStack() as otherwise:
            # The process ends with its channel, and asyncio waits for it.
            otherwise.callback(sock.close)
            child = cls(process, await AsyncChannel.open(sock), limited=limited)
            otherwise.pop_all()
        child.send(first)
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._exit.done()

    def send(self, message: ToChild) -> None:
        """Queue a message; silent when the child is gone."""
        self._channel.send(message)

    async def messages(self) -> AsyncGenerator[FromChild]:
        """Everything the child says after its hello, until it is gone or breaks the protocol."""
        try:
            while batch := await self._channel.receive():
                for message in batch:
                    if isinstance(message, Hello):
                        self._check(message)
                    else:
                        yield message
        except ProtocolError as error:
            self._protocol_problem = f"broke the protocol: {error}"
            self.signal(signal.SIGKILL)

    async def wait(self) -> ChildExit:
        """How the child ended, once it has."""
        return await asyncio.shield(self._exit)

    async def stop(self, *, ask_s: float, terminate_s: float) -> ChildExit:
        """End the child: ask, then terminate, then kill. Returns how it ended."""
        self.send(Stop())
        for patience_s, harder in ((ask_s, signal.SIGTERM), (terminate_s, signal.SIGKILL)):
            try:
                return await asyncio.wait_for(self.wait(), patience_s)
            except TimeoutError:
                self.signal(harder)
        return await self.wait()

    def forget_oom_kills(self) -> None:
        """Whom the kernel killed before the last call was not this child; called now and then."""
        self._oom_kills.append(oom_kills())

    def signal(self, number: int) -> None:
        """Send a signal; silent when the process has ended."""
        # asyncio's own way looks first whether it has ended, and so may lose the exit code.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _await_exit(self) -> ChildExit:
        returncode = await self._process.wait()
        # A grandchild may hold the pipe open: the tail is a help, not worth waiting for.
        await asyncio.wait((self._tail_task,), timeout=_TAIL_PATIENCE_S)
        self._tail_task.cancel()
        self._channel.close()
        tail = tuple(self._tail)
        why = self._diagnose(returncode, tail)
        return ChildExit(returncode, why.cause, why.reason, tail)

    def _diagnose(self, returncode: int, tail: tuple[str, ...]) -> Diagnosis:
        if self._protocol_problem is not None:
            return Diagnosis("protocol", self._protocol_problem)
        before, now = self._oom_kills[0], oom_kills()
        oom_killed = before is not None and now is not None and now > before
        return diagnose_exit(returncode, tail, oom_killed=oom_killed, limited=self._limited)

    def _check(self, hello: Hello) -> None:
        if hello.protocol != PROTOCOL_VERSION:
            raise ProtocolError(f"it speaks version {hello.protocol}, we speak {PROTOCOL_VERSION}")

    async def _keep_tail(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        rest = b""
        while data := await stream.read(_LINE_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            self._take(lines)
            rest = rest[-_LINE_BYTES:]
        if rest:
            self._take([rest])

    def _take(self, printed: list[bytes]) -> None:
        """Keep the lines for the diagnosis of an exit, and log them as they come."""
        lines = [read_line(line.decode(errors="replace").rstrip()) for line in printed]
        self._tail.extend(line for _, line in lines)
        for answer_id, output in self._log_share.parts(line for line in lines if line[1]):
            tell = log.info if answer_id is None else log.error
            tell("worker_output", pid=self.pid, **self.about(answer_id), output=output)


def _nothing_known(answer_id: str | None) -> Mapping[str, str]:
    return {}
