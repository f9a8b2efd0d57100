"""The program as a fork of one process that has imported what it needs, which is most of its start.

On Linux only: elsewhere not all that a system's libraries have begun outlives a fork.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

DEADLINE_S = 120.0
_ROOT = Path(__file__).parents[2]
_NEEDED = ("mlx_gui.cli.main", "mlx_gui.cli.start", "mlx_gui.serve", "mlx_gui.asgi")
_LENGTH_BYTES = 4
_STREAMS = 3
"""Standard input, output and errors."""


@dataclass(slots=True)
class Forked:
    """A process that is used as one of `subprocess`, though it is no child of this one.

    `told` brings its exit code when it has ended.
    """

    pid: int
    told: socket.socket
    returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises TimeoutExpired where it runs for longer than `timeout` seconds."""
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing, once it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, wait_s: float | None) -> int | None:
        if self.returncode is None and select.select([self.told], [], [], wait_s)[0]:
            self.returncode = _number(self.told)
            self.told.close()
        return self.returncode


def forked(
    arguments: Sequence[str], *, environment: Mapping[str, str], streams: Sequence[int]
) -> Forked:
    """The program with `arguments` and nothing but this `environment`, as it begins.

    `streams` are the descriptors of what it reads, writes, and complains to.
    """
    order = json.dumps([list(arguments), dict(environment)]).encode()
    length = len(order).to_bytes(_LENGTH_BYTES, "big")
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(_nursery(), [length], [*streams, theirs.fileno()])
        _nursery().sendall(order)
    return Forked(_number(ours), ours)


def ran(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    piped: bytes = b"",
    deadline_s: float = DEADLINE_S,
) -> subprocess.CompletedProcess[str]:
    """A command after its end, with what it said; it has read `piped`."""
    environment = os.environ if environment is None else environment
    with ExitStack() as stack:
        given, said, complained = (stack.enter_context(TemporaryFile()) for _ in range(_STREAMS))
        given.write(piped)
        given.seek(0)
        if sys.platform == "linux":
            streams = [given.fileno(), said.fileno(), complained.fileno()]
            process = forked(arguments, environment=environment, streams=streams)
        else:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlx_gui", *arguments],
                env=environment,
                stdin=given,
                stdout=said,
                stderr=complained,
            )
        try:
            code = process.wait(deadline_s)
        finally:
            process.kill()
        said.seek(0)
        complained.seek(0)
        return subprocess.CompletedProcess(
            ["mlx-gui", *arguments], code, said.read().decode(), complained.read().decode()
        )


@cache
def _nursery() -> socket.socket:
    """Where such processes are ordered, for as long as this one lives."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.run(
            [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            check=True,
        )
    return ours


def _number(told: socket.socket) -> int:
    """The next line, of those that say one each."""
    line = b""
    while not line.endswith(b"\n"):
        byte = told.recv(1)
        assert byte, "whoever looks after the program is gone"
        line += byte
    return int(line)


# In the nursery


def _serve(orders: socket.socket) -> bool:
    """Whether this process is to become the program; False when nothing more is ordered."""
    for name in _NEEDED:
        importlib.import_module(name)
    # No collection looks through it, in no fork.
    gc.freeze()
    # Ctrl-C in a terminal is for the tests and for the program, and ends both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nobody asks how those ended who look after the program.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        length, descriptors, *_ = socket.recv_fds(orders, _LENGTH_BYTES, _STREAMS + 1)
        if not length:
            return False
        with orders.makefile("rb", buffering=0) as content:
            order = b""
            while len(order) < int.from_bytes(length, "big"):
                order += content.read(int.from_bytes(length, "big") - len(order))
        if os.fork() == 0:
            orders.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _look_after(*json.loads(order), descriptors)
        for each in descriptors:
            os.close(each)


def _look_after(
    arguments: list[str], environment: dict[str, str], descriptors: Sequence[int]
) -> bool:
    """True in the child; here its pid and its exit code are told, and then this process ends."""
    *streams, told = descriptors
    child = os.fork()
    if child == 0:
        os.close(told)
        for number, each in enumerate(streams):
            os.dup2(each, number)
            os.close(each)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[1:] = arguments
        return True
    for each in streams:
        os.close(each)
    os.write(told, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _be_the_program() -> NoReturn:
    """Never returns: it would take longer to forget all that was imported than to end."""
    from mlx_gui.__main__ import main

    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    # Not a child of the tests, some of which look at which children their process has.
    if os.fork():
        os._exit(0)
    with socket.socket(fileno=int(sys.argv[1])) as ordered:
        becomes_program = _serve(ordered)
    if becomes_program:
        _be_the_program()
