"""The data directory: made for its owner only, and used by one server at a time."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from mlx_gui.store.errors import DataDirInUse, named_errors
from mlx_gui.store.runtime import running

LOCK_FILE = "server.lock"


def make_private(folder: Path) -> None:
    """Creates `folder` with mode 0700; one that is there keeps its mode."""
    with named_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def hold(data_dir: Path) -> Generator[None]:
    """Keeps every other server off `data_dir`; raises DataDirInUse when one is there."""
    make_private(data_dir)
    with locked(data_dir / LOCK_FILE) as held:
        if not held:
            raise _in_use(data_dir)
        yield


@contextmanager
def locked(path: Path) -> Generator[bool]:
    """Whether this process has the lock `path` now; never waits for it.

    The system drops the lock when the process ends, however it ends.
    """
    with named_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(data_dir: Path) -> DataDirInUse:
    server = running(data_dir)
    who = f"at {server.address} (process {server.pid})" if server else "that is starting"
    return DataDirInUse(
        f"The data directory {data_dir} is in use by the server {who}.",
        hint="Stop that server, or give this one a data directory of its own by MLX_GUI_DATA_DIR.",
    )
