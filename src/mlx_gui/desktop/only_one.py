"""One tray and one window of a data directory, whoever starts a second."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from mlx_gui.desktop.errors import NotHere


@contextmanager
def only_one(lock: Path, *, fault: type[NotHere]) -> Generator[bool]:
    """Whether no other process is in here; while it is False somebody else has `lock`.

    The system lets go of it when a process ends, however it does. Raises `fault` where the file
    cannot be.
    """
    try:
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise fault(
            f"{lock} cannot be written: {error.strerror}.",
            hint="Choose another data directory with --data-dir.",
        ) from error
    try:
        yield _taken(descriptor)
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
