"""Finds the folders of models and adapters on disk.

It only reads, and raises for nothing that a folder holds.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.catalog.adapters import Adapter, is_adapter, read_adapter
from mlx_gui.kinds.base import Recognised
from mlx_gui.kinds.registry import has_weights, recognise

MAX_DEPTH = 3
MAX_ENTRIES = 200_000
"""So many files and folders are looked at below one of `model_dirs`."""

_HUB_PREFIX = "models--"
_SKIPPED_PREFIXES = (".", "datasets--", "spaces--")


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model folder; `name` is the model id that its place gives it."""

    name: str
    folder: Path
    recognised: Recognised
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Each model and adapter once, by name. `notes` are sentences about what was left out."""

    models: tuple[FoundModel, ...]
    notes: tuple[str, ...]
    adapters: tuple[Adapter, ...] = ()


def scan(model_dirs: Sequence[Path]) -> ScanResult:
    """All that is below `model_dirs`; of two with one name that in the earlier folder counts."""
    notes: list[str] = []
    seen: set[tuple[int, int]] = set()
    models: dict[str, FoundModel] = {}
    adapters: dict[str, Adapter] = {}
    for root in model_dirs:
        for name, listing in _model_folders(root, seen, notes):
            folder, disk_bytes = listing.folder, listing.file_bytes
            known = adapters if listing.is_adapter() else models
            if name in known:
                notes.append(f"{folder} is hidden by {known[name].folder}, also {name}.")
            elif listing.is_adapter():
                adapters[name] = read_adapter(name, folder, disk_bytes=disk_bytes)
            else:
                models[name] = FoundModel(name, folder, recognise(folder), disk_bytes)
    return ScanResult(
        tuple(models[name] for name in sorted(models)),
        tuple(notes),
        tuple(adapters[name] for name in sorted(adapters)),
    )


@dataclass(frozen=True, slots=True)
class _Listing:
    """A folder's entries, symlinks followed. `identity` is the same over every path to it."""

    folder: Path
    identity: tuple[int, int]
    files: frozenset[str]
    folders: tuple[str, ...]
    file_bytes: int

    def is_adapter(self) -> bool:
        return is_adapter(self.files)

    def is_model(self) -> bool:
        return "config.json" in self.files and has_weights(self.files)


def _model_folders(
    root: Path, seen: set[tuple[int, int]], notes: list[str]
) -> Iterator[tuple[str, _Listing]]:
    """Breadth first, so that what can be reached twice gets the name of its shortest path.

    `seen` holds those of all roots; what is found below this one is added.
    """
    opened: set[tuple[int, int]] = set()
    entries_left = MAX_ENTRIES
    pending = deque([(root, 0)])
    while pending:
        folder, depth = pending.popleft()
        in_hub_cache = folder.name.startswith(_HUB_PREFIX)
        listing = _list(_hub_snapshot(folder) if in_hub_cache else folder, notes)
        if listing is None or listing.identity in seen or listing.identity in opened:
            continue
        entries_left -= len(listing.files) + len(listing.folders)
        if entries_left < 0:
            notes.append(f"{root} holds too many files; what lies deeper was not looked at.")
            return
        if listing.is_model() or listing.is_adapter():
            seen.add(listing.identity)
            yield _name(root, folder, depth), listing
        elif depth < MAX_DEPTH and not in_hub_cache and "model_index.json" not in listing.files:
            # Parts of a pipeline, which has a model_index.json, are no models of their own.
            opened.add(listing.identity)
            pending.extend((folder / name, depth + 1) for name in listing.folders)


def _name(root: Path, folder: Path, depth: int) -> str:
    if folder.name.startswith(_HUB_PREFIX):
        return folder.name.removeprefix(_HUB_PREFIX).replace("--", "/")
    return "/".join(folder.parts[-min(max(depth, 1), 2) :])


def _hub_snapshot(repository: Path) -> Path:
    """The revision that `main` points to, else the newest one."""
    snapshots = repository / "snapshots"
    try:
        revisions = {path.name: path.stat().st_mtime for path in snapshots.iterdir()}
        main = repository / "refs" / "main"
        revision = main.read_text(encoding="utf-8").strip() if main.exists() else ""
    except (OSError, UnicodeDecodeError):
        return snapshots
    if revision in revisions:
        return snapshots / revision
    return snapshots / max(revisions, key=revisions.__getitem__, default="")


def _list(folder: Path, notes: list[str]) -> _Listing | None:
    """None, with a note, for a folder that cannot be read or named; without one if it is absent."""
    if not str(folder).isprintable():
        notes.append(f"{str(folder)!r} has a name that no client could write; it was left out.")
        return None
    files: set[str] = set()
    folders: list[str] = []
    file_bytes = 0
    try:
        stat = folder.stat()
        with os.scandir(folder) as entries:
            for entry in entries:
                # A link may lead in a circle, or to where nobody may look.
                with suppress(OSError):
                    if not entry.is_dir():
                        files.add(entry.name)
                        file_bytes += entry.stat().st_size
                    elif not entry.name.startswith(_SKIPPED_PREFIXES):
                        folders.append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        notes.append(f"{folder} cannot be read: {error.strerror}.")
        return None
    identity = (stat.st_dev, stat.st_ino)
    return _Listing(folder, identity, frozenset(files), tuple(sorted(folders)), file_bytes)
