"""What a child asks of the system for itself, first thing and before any library is there."""

import ctypes
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from mlx_gui.core.program import is_standalone

_PR_SET_PDEATHSIG = 1
# From <sys/resource.h> of macOS, where one thread can give way to all others.
_PRIO_DARWIN_THREAD = 3
_PRIO_DARWIN_BG = 0x1000
_LOW_NICENESS = 10


def end_with_parent(parent: int | None, *, between: int | None = None) -> None:
    """From now on this process is killed when its parent, the server `parent`, is gone.

    The end of the channel says so too, but a process that is stopped, or busy in a long call that
    lets no other thread run, hears nothing. Only on Linux; elsewhere the channel has to do.
    `between` the server and this process are so many others: by default the boot loader that a
    frozen app may have, of which the system tells instead.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if between is None:
        between = 1 if is_standalone() else 0
    if parent is not None and not is_above(parent, os.getppid(), between, parent_of=parent_of):
        # It ended before it could be asked for.
        os._exit(0)


def is_above(
    ancestor: int, parent: int, between: int, *, parent_of: Callable[[int], int | None]
) -> bool:
    """Whether `parent` is `ancestor`, or a descendant of it with less than `between` between."""
    above: int | None = parent
    for _ in range(between):
        if above is None or above == ancestor:
            break
        above = parent_of(above)
    return above == ancestor


def parent_of(pid: int) -> int | None:
    """The parent of any process on Linux; None when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"^PPid:\s+(\d+)$", status, re.MULTILINE)
    return int(found[1]) if found else None


def limit_memory(limit_bytes: int) -> None:
    """Bound what this process may allocate; 0 is no bound. Only Linux holds anybody to it.

    Counted are the pages that are its own to write to, whether used or not: a little more than it
    is ever resident with.
    """
    if limit_bytes and sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            limit_bytes = min(limit_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, hard))


def give_way() -> None:
    """Lets others go first for the rest of this thread's life, and of threads that it starts.

    Of the thread only: a process could not take its own politeness back.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, _LOW_NICENESS)
    elif sys.platform == "darwin":
        os.setpriority(_PRIO_DARWIN_THREAD, 0, _PRIO_DARWIN_BG)
