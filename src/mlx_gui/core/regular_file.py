"""Reading files that are files: what else may have a name, like a pipe, is waited for for ever."""

import errno
import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """What lies at `path`, to be read. Raises OSError, also for what is no file."""
    # Without it, a pipe is opened when somebody writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a file", str(path))
        return open(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise
