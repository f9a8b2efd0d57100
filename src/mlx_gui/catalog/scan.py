"""Finds the folders of models and adapters on disk.

It only reads, and raises for nothing that a folder holds.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlx_gui.catalog.adapters import Adapter
from mlx_gui.catalog.listing import Identity, Listing, list_folder
from mlx_gui.catalog.recognitions import Recognitions
from mlx_gui.core.licence import Licence
from mlx_gui.kinds.base import Recognised

MAX_DEPTH = 3
MAX_ENTRIES = 200_000
"""So many files and folders are looked at below one of `model_dirs`."""

HUB_PREFIX = "models--"
"""Of a folder that the Hugging Face cache has for a model."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model folder; `name` is the model id that its place gives it.

    `copies` are other folders with that name and the same weights.
    """

    name: str
    folder: Path
    recognised: Recognised
    disk_bytes: int
    copies: tuple[Path, ...] = ()
    licence: Licence | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A folder that holds a model or an adapter.

    Those of lower `order` count before others: the place of `root` among `model_dirs`, how deep it
    lies there, and its path. `place` is that path as a whole, for a repository of the hub cache the
    folder of that.
    """

    order: tuple[int, int, tuple[str, ...]]
    root: Path
    place: Path
    identity: Identity
    found: FoundModel | Adapter


@dataclass(frozen=True, slots=True)
class Search:
    """What was sighted, in order, and sentences about what was left out."""

    sightings: tuple[Sighting, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Each model and adapter once, by name. `notes` are sentences about what was left out."""

    models: tuple[FoundModel, ...]
    notes: tuple[str, ...]
    adapters: tuple[Adapter, ...] = ()


def scan(model_dirs: Sequence[Path]) -> ScanResult:
    """All that is below `model_dirs`; of two with one name that in the earlier folder counts."""
    known = Recognitions()
    return combined(search(model_dirs, known), known)


def search(model_dirs: Sequence[Path], known: Recognitions) -> Search:
    """All that is below `model_dirs`. What `known` has is not read again."""
    notes: list[str] = []
    sightings: list[Sighting] = []
    seen: set[Identity] = set()
    for number, root in enumerate(model_dirs):
        sightings += _sightings(number, root, root, seen=seen, notes=notes, known=known)
    known.keep_only(seen)
    return Search(tuple(sightings), tuple(notes))


def search_again(
    before: Search, model_dirs: Sequence[Path], place: Path, known: Recognitions
) -> Search:
    """`before` with what lies at and below `place` now, which is below one of `model_dirs`.

    A place that is below none of them changes nothing.
    """
    kept = [each for each in before.sightings if not each.place.is_relative_to(place)]
    seen = {each.identity for each in kept}
    notes: list[str] = []
    for number, root in enumerate(model_dirs):
        if place.is_relative_to(root):
            kept += _sightings(number, root, place, seen=seen, notes=notes, known=known)
    return Search(tuple(sorted(kept, key=lambda each: each.order)), tuple(notes))


def combined(found: Search, known: Recognitions) -> ScanResult:
    """Each name once; of two with one name that of lower order counts."""
    notes = list(found.notes)
    models: dict[str, FoundModel] = {}
    adapters: dict[str, Adapter] = {}
    first: dict[str, Sighting] = {}
    for sighting in found.sightings:
        each = sighting.found
        earlier = (adapters if isinstance(each, Adapter) else models).get(each.name)
        if earlier is not None:
            notes.append(f"{each.folder} is hidden by {earlier.folder}, also {each.name}.")
            if isinstance(earlier, FoundModel) and _same(first[each.name], sighting, known):
                copies = (*earlier.copies, each.folder)
                models[each.name] = replace(earlier, copies=copies)
        elif isinstance(each, Adapter):
            adapters[each.name] = each
        else:
            models[each.name], first[each.name] = each, sighting
    return ScanResult(
        tuple(models[name] for name in sorted(models)),
        tuple(notes),
        tuple(adapters[name] for name in sorted(adapters)),
    )


def _same(one: Sighting, other: Sighting, known: Recognitions) -> bool:
    """Whether two folders have the same weights."""
    return known.weights(one.identity, one.found.folder) == known.weights(
        other.identity, other.found.folder
    )


def _sightings(
    number: int,
    root: Path,
    start: Path,
    *,
    seen: set[Identity],
    notes: list[str],
    known: Recognitions,
) -> Iterator[Sighting]:
    """What lies at and below `start`, which is below `root`, in order."""
    for place, depth, listing in _model_folders(root, start, seen, notes):
        order = (number, depth, place.relative_to(root).parts)
        found = _found(_name(root, place, depth), listing, known)
        yield Sighting(order, root, place, listing.identity, found)


def _found(name: str, listing: Listing, known: Recognitions) -> FoundModel | Adapter:
    recognised, licence = known.of(listing), known.licence(listing)
    if isinstance(recognised, Adapter):
        return replace(recognised, name=name, folder=listing.folder, licence=licence)
    return FoundModel(name, listing.folder, recognised, listing.file_bytes, licence=licence)


def _model_folders(
    root: Path, start: Path, seen: set[Identity], notes: list[str]
) -> Iterator[tuple[Path, int, Listing]]:
    """Breadth first, so that what can be reached twice gets the name of its shortest path.

    `seen` holds those that are known already; what is found is added.
    """
    opened: set[Identity] = set()
    entries_left = MAX_ENTRIES
    first_depth = len(start.relative_to(root).parts)
    pending = deque([(start, first_depth)] if first_depth <= MAX_DEPTH else [])
    while pending:
        place, depth = pending.popleft()
        in_hub_cache = place.name.startswith(HUB_PREFIX)
        listing = list_folder(_hub_snapshot(place) if in_hub_cache else place, notes)
        if listing is None or listing.identity in seen or listing.identity in opened:
            continue
        entries_left -= len(listing.files) + len(listing.folders)
        if entries_left < 0:
            notes.append(f"{root} holds too many files; what lies deeper was not looked at.")
            return
        if listing.is_model() or listing.is_adapter():
            seen.add(listing.identity)
            yield place, depth, listing
        elif depth < MAX_DEPTH and not in_hub_cache and "model_index.json" not in listing.files:
            # Parts of a pipeline, which has a model_index.json, are no models of their own.
            opened.add(listing.identity)
            pending.extend((place / name, depth + 1) for name in listing.folders)


def _name(root: Path, place: Path, depth: int) -> str:
    if place.name.startswith(HUB_PREFIX):
        return place.name.removeprefix(HUB_PREFIX).replace("--", "/")
    return "/".join(place.parts[-min(max(depth, 1), 2) :])


def _hub_snapshot(repository: Path) -> Path:
    """The revision that `main` points to, else the newest one."""
    snapshots = repository / "snapshots"
    try:
        revisions = {path.name: path.stat().st_mtime for path in snapshots.iterdir()}
        main = repository / "refs" / "main"
        revision = main.read_text(encoding="utf-8").strip() if main.is_file() else ""
    except (OSError, UnicodeDecodeError):
        return snapshots
    if revision in revisions:
        return snapshots / revision
    return snapshots / max(revisions, key=revisions.__getitem__, default="")
