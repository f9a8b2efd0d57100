"""However a child behaves, the ladder ends it."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

import psutil
import pytest

from mlx_gui.ipc.channel import AsyncChannel
from mlx_gui.ipc.child import Child, ChildExit
from mlx_gui.ipc.spawn import child_argv
from tests.support.waiting import wait_until

DEADLINE_S = 60
IGNORES = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(int({channel}), b"!")
signal.pause()
"""


async def ending(script: str, end: Callable[[Child], Awaitable[ChildExit]]) -> ChildExit:
    """How a child that runs `script` ended, after it has written one byte to its channel."""
    import socket

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script.replace("{channel}", str(theirs.fileno()))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=(theirs.fileno(),),
    )
    theirs.close()
    assert await asyncio.get_running_loop().sock_recv(ours, 1) == b"!"
    child = Child(process, await AsyncChannel.open(ours))
    async with asyncio.timeout(DEADLINE_S):
        return await end(child)


def test_a_child_that_ignores_sigterm_is_killed() -> None:
    ended = asyncio.run(ending(IGNORES, lambda child: child.stop(ask_s=0, terminate_s=0.1)))
    assert (ended.returncode, ended.cause) == (-signal.SIGKILL, "killed")


def test_a_child_that_is_stopped_hears_nothing_and_is_killed() -> None:
    async def end(child: Child) -> ChildExit:
        child.signal(signal.SIGSTOP)
        process = psutil.Process(child.pid)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, what="the child to stop")
        return await child.stop(ask_s=0.1, terminate_s=0.1)

    ended = asyncio.run(ending(IGNORES, end))
    assert (ended.returncode, ended.cause) == (-signal.SIGKILL, "killed")


def test_a_child_that_only_waits_ends_at_the_second_rung() -> None:
    script = IGNORES.replace("SIG_IGN", "SIG_DFL")
    ended = asyncio.run(ending(script, lambda child: child.stop(ask_s=0.1, terminate_s=DEADLINE_S)))
    assert (ended.returncode, ended.cause) == (-signal.SIGTERM, "killed")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_child_whose_parent_was_gone_before_it_began_ends_at_once() -> None:
    async def run() -> int:
        argv = [*child_argv("worker", 0)[:-1], "1"]
        process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL)
        return await asyncio.wait_for(process.wait(), DEADLINE_S)

    assert asyncio.run(run()) == 0
