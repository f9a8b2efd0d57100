"""What a child asks of the system for itself, first thing and before any library is there."""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
# From <sys/resource.h> of macOS, where one thread can give way to all others.
_PRIO_DARWIN_THREAD = 3
_PRIO_DARWIN_BG = 0x1000
_LOW_NICENESS = 10


def end_with_parent(parent: int | None) -> None:
    """From now on this process is killed when its parent, the server `parent`, is gone.

    The end of the channel says so too, but a process that is stopped, or busy in a long call that
    lets no other thread run, hears nothing. Only on Linux; elsewhere the channel has to do.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        # It ended before it could be asked for.
        os._exit(0)


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
