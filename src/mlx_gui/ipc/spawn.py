"""How a child process is started: the one place that knows its command line."""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Literal

from mlx_gui.core.program import own_command

Role = Literal["worker", "errand", "fetch", "template", "pictures"]
ApartRole = Literal["template", "pictures"]
"""Those of children that a worker has."""


def child_argv(role: Role, channel_fd: int) -> list[str]:
    """The command line of a child."""
    named = ["--role", role, "--channel", str(channel_fd), "--parent", str(os.getpid())]
    return own_command(*named)


async def spawn(
    role: Role, environment: Mapping[str, str]
) -> tuple[asyncio.subprocess.Process, socket.socket]:
    """A running child and our end of its channel, non-blocking.

    The child is in a session of its own, so that Ctrl-C in the terminal does not reach an answer
    that may still finish. Its stdout is the same pipe as its stderr: a library that prints must not
    write into the terminal. Raises OSError when no process can be started.
    """
    ours, theirs = socket.socketpair()
    try:
        process = await asyncio.create_subprocess_exec(
            *child_argv(role, theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **environment},
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.setblocking(False)
    return process, ours
