"""A folder of this process alone, which goes with it however it ends."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from mlx_gui.fetch.locks import FileLock

_PREFIX = "mlx-gui-xet-"
_LOCK = "lock"


class PrivateFolder:
    """Made in the system's folder for such things, whose path is short enough for a socket.

    Those of processes that were killed are removed with the next one that is made. Raises OSError.
    """

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        _remove_abandoned(parent)
        made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))
        self._lock = FileLock(str(made / _LOCK))
        self._lock.take()
        # Nobody takes it for abandoned before it is locked.
        self.path = made.rename(parent / made.name.removeprefix("."))

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        # Another process may remove it at the same time.
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
                continue
            lock = FileLock(str(folder / _LOCK))
            if lock.take():
                shutil.rmtree(folder, ignore_errors=True)
                lock.release()
