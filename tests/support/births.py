"""Processes that have imported what is needed, and whose forks become what somebody orders.

On Linux only: elsewhere not all that a system's libraries have begun outlives a fork.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, cast

from mlx_gui.engines.base import EngineModule
from mlx_gui.kinds.registry import KINDS

_OF_PROGRAMS = (
    *("mlx_gui.cli.main", "mlx_gui.cli.start", "mlx_gui.serve", "mlx_gui.asgi"),
    *("mlx_gui.worker.__main__", "mlx_gui.worker.loop", "tests.support.offspring"),
    *(f"mlx_gui.engines.fake.{kind.name}" for kind in KINDS),
)
# One of mlx-audio's models for transcription computes when it is imported, and so begins a thread.
_OF_ENGINES = [kind.engine for kind in KINDS if kind.name != "transcription"]
PROGRAM = "mlx_gui.__main__:main"
_LENGTH_BYTES = 4
_MOST_DESCRIPTORS = 8

Entry = Callable[[], object]


def order(
    orders: socket.socket,
    entry: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    descriptors: Sequence[int],
    told: socket.socket,
) -> None:
    """Asks for a process that calls `entry`, as `module:function`, with nothing but this around it.

    Its `descriptors` are numbered from 0 on. What is to be known of it is written to `told`.
    """
    content = json.dumps([entry, list(arguments), dict(environment)]).encode()
    length = len(content).to_bytes(_LENGTH_BYTES, "big")
    socket.send_fds(orders, [length], [*descriptors, told.fileno()])
    orders.sendall(content)


def read_number(told: socket.socket) -> int:
    """The next line, of those that say one each."""
    line = b""
    while not line.endswith(b"\n"):
        byte = told.recv(1)
        assert byte, "whoever looks after the program is gone"
        line += byte
    return int(line)


def await_orders(orders: socket.socket, part: Callable[[Sequence[int], int], None]) -> Entry | None:
    """What this process, by now a fork, is to become; None in the first, when nothing more comes.

    `part` is called in each fork and returns in the process that is to become it: with its
    descriptors, and with the one of where to tell of it.
    """
    _before_forks()
    while True:
        length, descriptors, *_ = socket.recv_fds(orders, _LENGTH_BYTES, _MOST_DESCRIPTORS)
        if not length:
            return None
        entry, arguments, environment = json.loads(_received(orders, int.from_bytes(length, "big")))
        *own, told = descriptors
        if os.fork() == 0:
            orders.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            part(own, told)
            os.close(told)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number, each in enumerate(own):
                if number != each:
                    os.dup2(each, number)
                    os.close(each)
            os.environ.clear()
            os.environ.update(environment)
            sys.argv[1:] = arguments
            module, _, function = entry.partition(":")
            return getattr(importlib.import_module(module), function)
        for each in descriptors:
            os.close(each)


def _before_forks() -> None:
    # No collection looks through what is here, in no fork.
    gc.freeze()
    # Ctrl-C in a terminal is for the tests and for the program, and ends both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nobody asks how those ended who are between.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def _received(orders: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        content += orders.recv(length - len(content))
    return content


def become(entry: Entry) -> NoReturn:
    """Never returns: it would take longer to forget all that was imported than to end."""
    code: object = 0
    try:
        entry()
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def _look_after(descriptors: Sequence[int], told: int) -> None:
    """Returns in a child; here its pid and its exit code are told, and then this process ends."""
    child = os.fork()
    if child == 0:
        return
    for each in descriptors:
        os.close(each)
    os.write(told, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _taken(listening: socket.socket, starter: socket.socket) -> socket.socket | None:
    """In a fork, the orders of one process of tests; None in the first, when `starter` ends."""
    _before_forks()
    while starter not in select.select([listening, starter], [], [])[0]:
        orders, _ = listening.accept()
        if os.fork() == 0:
            return orders
        orders.close()
    return None


def main(listening_fd: int, starter_fd: int, *, with_mlx: bool) -> None:
    """Serve the orders of all who connect, prepared for MLX as a worker is or without it."""
    if with_mlx:
        from mlx_gui.engines.device import prepare_process
        from tests.engines.remote import CACHE

        prepare_process("auto", CACHE)
        for name in _OF_ENGINES:
            cast(EngineModule, importlib.import_module(name)).warm()
    for name in _OF_PROGRAMS:
        importlib.import_module(name)
    # What a thread holds at a fork is held there for ever.
    assert len(os.listdir("/proc/self/task")) == 1
    with (
        socket.socket(fileno=listening_fd) as listening,
        socket.socket(fileno=starter_fd) as starter,
    ):
        orders = _taken(listening, starter)
    if orders is None:
        return
    with orders:
        born = await_orders(orders, _look_after)
    if born is not None:
        become(born)


if __name__ == "__main__":
    # Not a child of the tests, some of which look at which children their process has.
    if os.fork():
        os._exit(0)
    # Under its own name, by which what is imported may know it.
    from tests.support import births

    births.main(int(sys.argv[1]), int(sys.argv[2]), with_mlx=sys.argv[3:] == ["mlx"])
