"""Whether the model folders look as they did: a few times of change in place of a search."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mlx_gui.catalog.scan import HUB_PREFIX, FoundModel, Sighting

MOST_FOLDERS = 20_000
"""So many are looked at below one of `model_dirs`."""

_DEPTH = 2

Look = frozenset[tuple[str, int, int]]
"""Path, time of change and inode of whatever would change if a model came, changed or went."""


def look_at(model_dirs: Sequence[Path], sightings: Iterable[Sighting]) -> Look:
    """How the folders and the models that were found look now.

    A file that changes in its place is noticed where it keeps a model from being served, such as
    one that is still being copied. Disks may be slow: call it in a thread.
    """
    found: set[tuple[str, int, int]] = set()
    paths = (path for root in model_dirs for path in _folders(root))
    for path in (*paths, *(path for each in sightings for path in _parts(each))):
        # What is not there is not in the look, so that its coming changes it.
        with suppress(OSError):
            stat = path.stat()
            found.add((str(path), stat.st_mtime_ns, stat.st_ino))
    return frozenset(found)


def _folders(root: Path) -> Iterator[Path]:
    """`root` and what lies below it, as deep as models usually do, and at least not all of it."""
    level, left = [root], MOST_FOLDERS
    for _ in range(_DEPTH + 1):
        deeper: list[Path] = []
        for folder in level[:left]:
            yield folder
            if folder.name.startswith(HUB_PREFIX):
                yield folder / "snapshots"
                yield folder / "refs" / "main"
                continue
            with suppress(OSError), os.scandir(folder) as entries:
                deeper += (
                    folder / each.name
                    for each in entries
                    if each.is_dir() and not each.name.startswith(".")
                )
        left -= len(level)
        level = deeper
        if left <= 0:
            return


def _parts(sighting: Sighting) -> Iterator[Path]:
    found = sighting.found
    yield found.folder
    if isinstance(found, FoundModel) and found.recognised.problem is not None:
        with suppress(OSError):
            yield from (found.folder / name for name in os.listdir(found.folder))
