"""What lies below folders on a disk. Disks may be slow: call it in a thread."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR


def files_below(starts: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    """All that is no folder, at and below `starts`, with what the system says of it.

    Links are not followed. What goes meanwhile, or nobody may read, is left out.
    """
    pending = [*starts][::-1]
    while pending:
        path = pending.pop()
        found: os.stat_result | None = None
        with suppress(OSError):
            found = path.lstat()
        if found is None:
            continue
        if not S_ISDIR(found.st_mode):
            yield path, found
            continue
        for entry, stat in _entries(path):
            if S_ISDIR(stat.st_mode):
                pending.append(entry)
            else:
                yield entry, stat


def _entries(folder: Path) -> list[tuple[Path, os.stat_result]]:
    listed: list[tuple[Path, os.stat_result]] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                listed.append((folder / entry.name, entry.stat(follow_symlinks=False)))
    return listed
