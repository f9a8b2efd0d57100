"""A child: says hello, reads its first message, becomes worker, errand or fetch.

One that renders chat templates or reads pictures is a child of a worker and says nothing of that.
"""

import argparse
import gc
import os
import signal
import socket
import sys
import traceback
from typing import Any, get_args

from mlx_gui.ipc.channel import BlockingChannel
from mlx_gui.ipc.messages import (
    PROTOCOL_VERSION,
    Hello,
    Prewarm,
    StartErrand,
    StartFetch,
    StartWorker,
)
from mlx_gui.ipc.spawn import Role
from mlx_gui.worker.process import end_with_parent, limit_memory


def main(argv: list[str]) -> None:
    """Run the role that `argv` names, on the channel that it names; never returns.

    The process ends by `os._exit`: falling off the interpreter while MLX is busy aborts.
    """
    parser = argparse.ArgumentParser(prog="mlx-gui")
    parser.add_argument("--role", required=True, choices=get_args(Role))
    parser.add_argument("--channel", required=True, type=int)
    parser.add_argument("--parent", type=int)
    arguments = parser.parse_args(argv)
    end_with_parent(arguments.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library prints is to be in the server's log when it happens.
    printed: Any = sys.stdout
    printed.reconfigure(line_buffering=True)
    # Imports make no garbage worth looking for; whoever stays alive turns it on again.
    gc.disable()
    try:
        code = _serve(arguments.role, socket.socket(fileno=arguments.channel))
    except Exception:  # noqa: BLE001 - the last resort of a process
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve(role: str, sock: socket.socket) -> int:
    if role == "template":
        from mlx_gui.worker.templates import serve_templates

        gc.enable()
        return serve_templates(sock)
    if role == "pictures":
        from mlx_gui.worker.pictures import serve_pictures

        gc.enable()
        return serve_pictures(sock)
    channel = BlockingChannel(sock)
    channel.send(Hello(PROTOCOL_VERSION, os.getpid()))
    first = channel.receive()
    known = isinstance(first, StartWorker | Prewarm | StartErrand | StartFetch)
    if known and first.protocol != PROTOCOL_VERSION:
        print(f"protocol {first.protocol} is asked for, {PROTOCOL_VERSION} is spoken")  # noqa: T201
        return 64
    match first:
        case StartWorker() | Prewarm():
            limit_memory(first.memory_limit_bytes)
            return _become_worker(channel, first)
        case StartErrand():
            from mlx_gui.worker.errands import run_errand

            return run_errand(channel, first)
        case StartFetch():
            from mlx_gui.fetch.run import run_fetch

            gc.enable()
            return run_fetch(channel, first)
        case None:
            return 0
        case _:
            print(f"the first message was {type(first).__name__}")  # noqa: T201
            return 64


def _become_worker(channel: BlockingChannel, first: StartWorker | Prewarm) -> int:
    from mlx_gui.worker.loop import run_worker

    if isinstance(first, StartWorker):
        return run_worker(channel, first)
    from mlx_gui.worker.prewarm import prewarm

    return run_worker(channel, prewarm(channel, first))


if __name__ == "__main__":
    main(sys.argv[1:])
