"""What lies in one folder, as far as it says whether that is a model."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.catalog.adapters import is_adapter
from mlx_gui.kinds.registry import has_weights

Identity = tuple[int, int]
"""Device and inode: the same over every path to a folder."""
State = tuple[tuple[str, int, int, int], ...]
"""Name, size, time of change and inode of each file and folder in it, symlinks followed."""

_SKIPPED_PREFIXES = (".", "datasets--", "spaces--")


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder's entries, symlinks followed."""

    folder: Path
    identity: Identity
    files: frozenset[str]
    folders: tuple[str, ...]
    file_bytes: int
    state: State

    def is_adapter(self) -> bool:
        return is_adapter(self.files)

    def is_model(self) -> bool:
        return "config.json" in self.files and has_weights(self.files)


def list_folder(folder: Path, notes: list[str]) -> Listing | None:
    """None, with a note, for a folder that cannot be read or named; without one if it is absent."""
    if not str(folder).isprintable():
        notes.append(f"{str(folder)!r} has a name that no client could write; it was left out.")
        return None
    files: set[str] = set()
    folders: list[str] = []
    state: list[tuple[str, int, int, int]] = []
    file_bytes = 0
    try:
        stat = folder.stat()
        with os.scandir(folder) as entries:
            for entry in entries:
                # A link may lead in a circle, or to where nobody may look.
                with suppress(OSError):
                    is_folder = entry.is_dir()
                    if not is_folder:
                        files.add(entry.name)
                    elif not entry.name.startswith(_SKIPPED_PREFIXES):
                        folders.append(entry.name)
                    found = entry.stat()
                    state.append((entry.name, found.st_size, found.st_mtime_ns, found.st_ino))
                    file_bytes += 0 if is_folder else found.st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        notes.append(f"{folder} cannot be read: {error.strerror}.")
        return None
    return Listing(
        folder,
        (stat.st_dev, stat.st_ino),
        frozenset(files),
        tuple(sorted(folders)),
        file_bytes,
        tuple(sorted(state)),
    )
