"""Deleting a model for good, which a full disk has room for: no trash, no journal.

What makes a folder a model is hidden by a rename first. After a crash the model is gone, and
`clear_deletions` removes what is left of it.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from mlx_gui.catalog.removal import Removal, used_blobs
from mlx_gui.catalog.shared_blobs import SharedBlobs
from mlx_gui.core.durable import sync_folder

_PREFIX = ".mlx-gui-deleting-"
_DEPTH = 2
"""Folders between a model folder and what is hidden: a shelf and an owner, or a repo of the hub's
cache and its snapshots."""


def delete_for_good(removals: Collection[Removal]) -> int:
    """The bytes that came free. Raises OSError; where one cannot be hidden, all are as before."""
    hidden: list[tuple[Removal, Path]] = []
    try:
        for removal in removals:
            hidden.append((removal, _hide(removal.main)))
    except OSError:
        for removal, main in hidden:
            main.rename(removal.main)
        raise
    freed_bytes = 0
    for removal, main in hidden:
        for name in removal.first:
            name.unlink(missing_ok=True)
        _remove(main)
        # Another program may have linked to one since this was planned.
        used = frozenset[str]() if removal.repo is None else used_blobs(removal.repo)
        for each in removal.rest:
            if each.parent.name != "blobs" or each.name not in used:
                _remove(each)
        for blob in removal.shared:
            # That it cannot go harms nobody: the cache's own tools find what nobody links to.
            with suppress(OSError):
                SharedBlobs(blob.cache).sweep(blob.entry_name)
        freed_bytes += removal.freed_bytes
    return freed_bytes


def clear_deletions(model_dirs: Iterable[Path]) -> None:
    """Remove what a crash has left of deletions; what stays is tried again the next time."""
    for root in model_dirs:
        for left in (*_left_in(root.parent, 0), *_left_in(root, _DEPTH)):
            with suppress(OSError):
                _remove(left)


def _hide(main: Path) -> Path:
    hidden = main.with_name(f"{_PREFIX}{main.lstat().st_ino}")
    main.rename(hidden)
    sync_folder(main.parent)
    return hidden


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        # One that may not be written cannot be emptied.
        with suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(path)


def _left_in(folder: Path, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(_PREFIX):
            yield folder / entry.name
        elif depth and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield from _left_in(folder / entry.name, depth - 1)
