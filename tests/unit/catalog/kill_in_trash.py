"""Removes, restores or deletes a model in copies of a disk, each in a process that SIGKILL ends.

usage: kill_in_trash.py remove|delete-now|restore|delete ORIGINAL COPIES MODEL…

The process of the copy n is killed before the n-th thing that it would change on the disk, the last
one is left to finish. What is removed are the models at the paths MODEL below the disk.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from mlx_gui.catalog.removal import Removal, removal_of
from mlx_gui.catalog.trash import Trash

_CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod")
_WRITING = os.O_WRONLY | os.O_RDWR


def kill_before(point: int) -> None:
    """SIGKILL comes before the `point`-th change that this process makes."""
    changes = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal changes
        flags = arguments[2] if event == "open" else 0
        if event in _CHANGES or (isinstance(flags, int) and flags & _WRITING):
            changes += 1
            if changes == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def trash_of(disk: Path) -> Trash:
    return Trash(lambda: [disk, disk / "models", disk / "more"])


def planned(disk: Path, models: list[str]) -> list[Removal]:
    removals: list[Removal] = []
    for model in models:
        folder = disk / model
        hub = next((each for each in folder.parents if each.name.startswith("models--")), folder)
        root = hub.parent if hub != folder else disk / folder.relative_to(disk).parts[0]
        removals.append(removal_of(root, hub, folder))
    return removals


def remove(disk: Path, models: list[str]) -> None:
    trash, removals = trash_of(disk), planned(disk, models)
    trash.confirm(trash.remove("org/one", removals, name="org/one", now_s=1.0).id)


def act(action: str, disk: Path, models: list[str]) -> None:
    if action == "remove":
        remove(disk, models)
        return
    trash = trash_of(disk)
    if action == "delete-now":
        trash.delete_now(planned(disk, models))
        return
    (entry,) = trash.entries()
    if action == "restore":
        trash.begin_restore(entry.id)
        trash.restore(entry.id)
    else:
        trash.delete(entry.id)


def main(action: str, original: Path, copies: Path, models: list[str]) -> None:
    for point in range(1, 1000):
        copy = copies / str(point)
        shutil.copytree(original, copy, symlinks=True)
        pid = os.fork()
        if pid == 0:
            kill_before(point)
            act(action, copy, models)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            return
        assert os.WTERMSIG(status) == signal.SIGKILL


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
