"""What lies in the model folders, counted in bytes on the disk: each file once, whatever its names.

It only reads, and raises for nothing that a folder holds. Disks may be slow: call it in a thread.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from mlx_gui.catalog.removal import TRASH_NAME
from mlx_gui.catalog.scan import Sighting
from mlx_gui.catalog.shared_blobs import SharedBlobs
from mlx_gui.catalog.walking import files_below

_UNFINISHED = (".incomplete", ".mlx-gui.journal")


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """A disk as the system tells of it; `device` is the same for all folders on it."""

    device: int
    total_bytes: int
    free_bytes: int


@dataclass(slots=True)
class FolderUse:
    """What one of `model_dirs` holds; `room` is None while its disk is away.

    `models` are bytes by model id. What several models share counts for the first of them.
    """

    path: Path
    room: DiskSpace | None
    models: dict[str, int] = field(default_factory=dict[str, int])
    downloads_bytes: int = 0
    trash_bytes: int = 0
    other_bytes: int = 0

    def add(self, owner: str | None, path: Path, size_bytes: int) -> None:
        """Count a file of `owner`, None for one of no model."""
        if TRASH_NAME in path.parts:
            self.trash_bytes += size_bytes
        elif path.name.endswith(_UNFINISHED):
            self.downloads_bytes += size_bytes
        elif owner is not None:
            self.models[owner] = self.models.get(owner, 0) + size_bytes
        else:
            self.other_bytes += size_bytes


def disk_use(model_dirs: Sequence[Path], places: Iterable[Sighting]) -> list[FolderUse]:
    """What each of `model_dirs` holds, where `places` are those of the models that are known."""
    counted: set[tuple[int, int]] = set()
    owners = {each.place: each.found.name for each in places}
    used: list[FolderUse] = []
    for root in model_dirs:
        use = FolderUse(root, room_of(root))
        used.append(use)
        shared = _shared_owners(root, owners)
        for path, size_bytes in _counted(_starts(root, owners), counted):
            use.add(shared.get(path) or _owner(path, root, owners), path, size_bytes)
    return used


def room_of(folder: Path) -> DiskSpace | None:
    """The disk that `folder` is on; None where that is away."""
    try:
        found = shutil.disk_usage(folder)
        return DiskSpace(folder.stat().st_dev, found.total, found.free)
    except OSError:
        return None


def space_for(folder: Path) -> DiskSpace:
    """The disk that `folder` is on, or will be once it is made. Raises OSError."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    found = shutil.disk_usage(there)
    return DiskSpace(there.stat().st_dev, found.total, found.free)


def bytes_below(folder: Path) -> int:
    """What the files at and below `folder` take."""
    return sum(size_bytes for _, size_bytes in _counted([folder], set()))


def _starts(root: Path, owners: Mapping[Path, str]) -> Iterator[Path]:
    """The folder, the trash beside it, and what models in it are links to."""
    yield root
    yield root.parent / TRASH_NAME
    for each in owners:
        if each.is_relative_to(root) and each.is_symlink():
            # A link as such holds nothing; a folder that goes meanwhile neither.
            with suppress(OSError):
                yield from [*each.iterdir()]


def _owner(path: Path, root: Path, owners: Mapping[Path, str]) -> str | None:
    for each in (path, *path.parents):
        if each in owners:
            return owners[each]
        if each == root:
            return None
    return None


def _shared_owners(root: Path, owners: Mapping[Path, str]) -> dict[Path, str]:
    """Which model what lies in the shared store of a Hugging Face cache belongs to."""
    store = SharedBlobs(root)
    if not store.there():
        return {}
    found: dict[Path, str] = {}
    for place, name in owners.items():
        if place.parent == root:
            entries = map(store.entry_of, (place / "blobs").glob("*"))
            found.update({entry: name for entry in entries if entry and entry not in found})
    return found


def _counted(starts: Iterable[Path], counted: set[tuple[int, int]]) -> Iterator[tuple[Path, int]]:
    """Every file and what it takes, but for those that are `counted`."""
    for path, found in files_below(starts):
        identity = (found.st_dev, found.st_ino)
        if S_ISREG(found.st_mode) and identity not in counted:
            counted.add(identity)
            yield path, found.st_size
