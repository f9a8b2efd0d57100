"""The program as a fork of one process that has imported what it needs, which is most of its start.

On Linux only: elsewhere not all that a system's libraries have begun outlives a fork.
"""

import atexit
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

from filelock import FileLock

from mlx_gui.core.worker_env import worker_environment
from tests.support.births import PROGRAM, order, read_number
from tests.support.shared import shared_folder

DEADLINE_S = 120.0
_ROOT = Path(__file__).parents[2]
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
            self.returncode = read_number(self.told)
            self.told.close()
        return self.returncode


def forked(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    descriptors: Sequence[int],
    entry: str = PROGRAM,
    with_mlx: bool = False,
) -> Forked:
    """A process that calls `entry` with `arguments`, nothing but this `environment` around it.

    `descriptors` are what it reads, writes, and complains to, and what else is to be open there.
    It may have MLX from the beginning, and a BLAS in it.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        order(
            _nursery(with_mlx),
            entry,
            arguments,
            environment=environment,
            descriptors=descriptors,
            told=theirs,
        )
    return Forked(read_number(ours), ours)


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
            process = forked(arguments, environment=environment, descriptors=streams)
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
def _nursery(with_mlx: bool) -> socket.socket:
    """Where such processes are ordered, for as long as this one lives.

    One process has imported for all of a run; whoever finds it gone begins another one.
    """
    place = shared_folder() / ("nursery-mlx" if with_mlx else "nursery")
    orders = socket.socket(socket.AF_UNIX)
    with FileLock(f"{place}.lock"):
        try:
            orders.connect(str(place))
        except (FileNotFoundError, ConnectionRefusedError):
            place.unlink(missing_ok=True)
            _begun(place, with_mlx)
            orders.connect(str(place))
    atexit.register(orders.close)
    return orders


@cache
def _begun(place: Path, with_mlx: bool) -> socket.socket:
    """Has a nursery listen at `place`, which ends with what is returned: with this process."""
    ours, starter = socket.socketpair()
    # In no case has NumPy's BLAS a thread of its own.
    environment = worker_environment(sys.platform) if with_mlx else {"OPENBLAS_NUM_THREADS": "1"}
    with starter, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        passed = [listening.fileno(), starter.fileno()]
        arguments = [*map(str, passed), *(["mlx"] if with_mlx else [])]
        subprocess.run(
            [sys.executable, "-m", "tests.support.births", *arguments],
            cwd=_ROOT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=passed,
            check=True,
        )
    atexit.register(ours.close)
    return ours
