"""A server that is a fork and whose workers are, of a process that has imported what they need.

Its other children begin as a user's do, and tests know them by their command lines.
"""

import asyncio
import ctypes
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from mlx_gui.control.workers import weighing
from mlx_gui.ipc import child
from mlx_gui.ipc.spawn import Role, spawn
from mlx_gui.worker.process import end_with_parent
from tests.support.births import PROGRAM, await_orders, become, order, read_number

SERVER = f"{__name__}:main"
NURSERY = "nursery"
"""Of the process that such a server has besides its children."""
_CHANNEL = 3
"""The descriptor behind those of a worker's streams."""
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_READ_BY_LIBRARIES = ("OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "MALLOC_MMAP_THRESHOLD_")
"""What libraries read of the environment when they are loaded, and never again."""
_LOADED_WITH = {name: text for name, text in os.environ.items() if name in _READ_BY_LIBRARIES}


def main() -> None:
    """The program, whose workers are forks of what it was before it began to be that."""
    orders, theirs = socket.socketpair()
    server = os.getpid()
    if os.fork() == 0:
        orders.close()
        end_with_parent(server)
        _prctl(_PR_SET_NAME, NURSERY.encode())
        worker = await_orders(theirs, _leave_to_the_server)
        if worker is None:
            os._exit(0)
        become(worker)
    theirs.close()
    child.spawn = partial(_spawn, orders)
    weighing.process_private_bytes = _unshared_bytes

    from mlx_gui.__main__ import main

    main()


def _leave_to_the_server(descriptors: Sequence[int], told: int) -> None:
    """Returns in a child that the server has got, and that is in a session of its own.

    Its pid is told.
    """
    between = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.0005)
    _prctl(_PR_SET_NAME, b"worker")
    os.setsid()
    os.write(told, b"%d\n" % os.getpid())


class _Worker:
    """As much of a process of asyncio's as whoever supervises one asks for."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._ended = asyncio.Event()
        end = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(end, self._end, end)

    async def wait(self) -> int | None:
        await self._ended.wait()
        return self.returncode

    def _end(self, end: int) -> None:
        asyncio.get_running_loop().remove_reader(end)
        os.close(end)
        _, status = os.waitpid(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()


async def _spawn(
    orders: socket.socket, role: Role, environment: Mapping[str, str]
) -> tuple[Any, socket.socket]:
    """As `ipc.spawn`, which does it where a fork would not do."""
    around = {**os.environ, **environment}
    loaded_alike = "mlx.core" not in sys.modules or _LOADED_WITH.items() <= around.items()
    if role != "worker" or not loaded_alike:
        return await spawn(role, environment)
    ours, channel = socket.socketpair()
    told, telling = socket.socketpair()
    printed, printing = (os.fdopen(*end) for end in zip(os.pipe(), ("rb", "wb"), strict=True))
    arguments = ["--role", role, "--channel", str(_CHANNEL), "--parent", str(os.getpid())]
    with channel, told, telling, printing, Path(os.devnull).open("rb") as nothing:
        given = [each.fileno() for each in (nothing, printing, printing, channel)]
        with _adopting():
            order(orders, PROGRAM, arguments, environment=around, descriptors=given, told=telling)
            telling.close()
            pid = read_number(told)
    stdout = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdout), printed
    )
    ours.setblocking(False)
    return _Worker(pid, stdout), ours


def _unshared_bytes(pid: int | None) -> int:
    """What comes back with the end of a fork; a server would wait for the rest that it has."""
    try:
        return psutil.Process(pid).memory_full_info().uss if pid else 0
    except psutil.Error:
        return 0


@contextmanager
def _adopting() -> Iterator[None]:
    """Meanwhile this process becomes the parent of those among its descendants that lose theirs."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _prctl(_PR_SET_CHILD_SUBREAPER, 0)


def _prctl(option: int, value: int | bytes) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
