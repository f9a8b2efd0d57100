"""What goes when a model is removed: a folder, or of a Hugging Face cache what nobody shares."""

import fcntl
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISLNK, S_ISREG

import msgspec

from mlx_gui.catalog.scan import HUB_PREFIX
from mlx_gui.catalog.shared_blobs import SharedBlobs
from mlx_gui.catalog.walking import files_below
from mlx_gui.core.errors import Conflict

TRASH_NAME = ".mlx-gui-trash"
_CLAIMS = ".mlx-gui"
"""What downloads of ours have brought into a repo that no snapshot has yet."""


@dataclass(frozen=True, slots=True)
class SharedBlob:
    """A repo's blob that is a link into the shared store of its cache."""

    cache: Path
    blob: Path
    entry_name: str


@dataclass(frozen=True, slots=True)
class Removal:
    """What is renamed into the trash, in this order.

    `first` are the names of a revision, `main` is what makes it a model, `rest` what it alone
    needs, of which nothing goes that another revision of `repo` has come to use. `base` is where
    the trash lies. `freed_bytes` are free once it is emptied, `stays` are other revisions.
    """

    base: Path
    main: Path
    first: tuple[Path, ...] = ()
    rest: tuple[Path, ...] = ()
    repo: Path | None = None
    shared: tuple[SharedBlob, ...] = ()
    freed_bytes: int = 0
    stays: tuple[str, ...] = ()


def removal_of(root: Path, place: Path, folder: Path) -> Removal:
    """What goes with the model in `folder`, which was found at `place` below `root`.

    Raises OSError, and Conflict where no folder on the same disk can have it, or somebody just
    downloads into it.
    """
    if not place.name.startswith(HUB_PREFIX) or folder == place:
        return Removal(_base(root, place), place, freed_bytes=own_bytes([place]))
    _refuse_written(place)
    others = _other_revisions(place, folder.name)
    if not others and not (place / _CLAIMS).exists():
        shared = _shared(place.parent, (place / "blobs").glob("*"))
        freed_bytes = own_bytes([place]) + _shared_bytes(shared)
        return Removal(_base(root, place), place, shared=shared, freed_bytes=freed_bytes)
    used = used_blobs(place, without=folder.name)
    blobs = sorted(
        each
        for each in _blobs_of(folder)
        # A link may lead anywhere; what is not the repo's own stays where it is.
        if each.parent == place / "blobs" and each.name not in used
    )
    rest = (*_notes_on(place, folder.name), *blobs)
    shared = _shared(place.parent, blobs)
    return Removal(
        _base(root, place),
        folder,
        first=tuple(_names_of(place, folder.name)),
        rest=rest,
        repo=place,
        shared=shared,
        freed_bytes=own_bytes([folder, *rest]) + _shared_bytes(shared),
        stays=others,
    )


def used_blobs(repo: Path, *, without: str = "") -> frozenset[str]:
    """The names of the blobs that revisions other than `without` and downloads need."""
    used: set[str] = set()
    snapshots = [each for each in _folders(repo / "snapshots") if each.name != without]
    for folder in (*snapshots, repo / _CLAIMS):
        used.update(blob.name for blob in _blobs_of(folder))
    for claims in (repo / _CLAIMS).glob("*.json"):
        try:
            used.update(msgspec.json.decode(claims.read_bytes(), type=frozenset[str]))
        except (OSError, msgspec.DecodeError):
            continue
    return frozenset(used)


def own_bytes(paths: Iterable[Path]) -> int:
    """What comes free if `paths` go: the files that have no other name elsewhere."""
    names: dict[tuple[int, int], int] = {}
    freed_bytes = 0
    for _, found in files_below(paths):
        identity = (found.st_dev, found.st_ino)
        names[identity] = names.get(identity, 0) + 1
        if S_ISREG(found.st_mode) and names[identity] == found.st_nlink:
            freed_bytes += found.st_size
    return freed_bytes


def _base(root: Path, place: Path) -> Path:
    """The folder that the trash for `place` lies in: on its disk, and not searched for models.

    That of the Hugging Face cache lies beside it, since its own tools warn of what they do not
    know in there.
    """
    device = place.lstat().st_dev
    above = [each for each in place.parents if each.is_relative_to(root)][::-1]
    beside = [root.parent] if place.name.startswith(HUB_PREFIX) or not above else []
    for folder in (*beside, *above):
        trash = folder / TRASH_NAME
        writable = os.access(trash if trash.exists() else folder, os.W_OK)
        if folder.stat().st_dev == device and writable:
            return folder
    raise Conflict(
        f"{place} cannot go to a trash: no folder above it, on its disk, may be written.",
        hint="Make it writable, or have the model forgotten alone with `remove_files=false`.",
    )


def _refuse_written(repo: Path) -> None:
    """Whoever brings a file into a repo, be it another program, holds a lock meanwhile."""
    for lock in (repo.parent / ".locks" / repo.name).glob("*.lock"):
        with lock.open("rb") as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    f"A program downloads into {repo} at this moment.",
                    hint="Wait until it has finished, or end it.",
                ) from None


def _other_revisions(repo: Path, revision: str) -> tuple[str, ...]:
    folders = _folders(repo / "snapshots")
    return tuple(sorted(each.name for each in folders if each.name != revision))


def _folders(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if each.is_dir()]
    except OSError:
        return []


def _blobs_of(snapshot: Path) -> set[Path]:
    """What the links below `snapshot` lead to, by their first step."""
    links = (path for path, found in files_below([snapshot]) if S_ISLNK(found.st_mode))
    return {Path(os.path.normpath(path.parent / os.readlink(path))) for path in links}


def _names_of(repo: Path, revision: str) -> Iterable[Path]:
    """The branches and tags that are `revision`."""
    for ref in sorted((repo / "refs").rglob("*")):
        if ref.is_file() and ref.read_text(encoding="utf-8", errors="replace").strip() == revision:
            yield ref


def _notes_on(repo: Path, revision: str) -> Iterable[Path]:
    """What the hub's client has noted of `revision` besides its files."""
    notes = (repo / "trees" / f"{revision}.json", repo / ".no_exist" / revision)
    return (each for each in notes if each.exists())


def _shared(cache: Path, blobs: Iterable[Path]) -> tuple[SharedBlob, ...]:
    store = SharedBlobs(cache)
    if not store.there():
        return ()
    entries = ((blob, store.entry_of(blob)) for blob in blobs)
    return tuple(SharedBlob(cache, blob, entry.name) for blob, entry in entries if entry)


def _shared_bytes(shared: Collection[SharedBlob]) -> int:
    """What of the shared store comes free if all of these go."""
    blobs = {each.blob for each in shared}
    entries = {(each.cache, each.entry_name) for each in shared}
    return sum(SharedBlobs(cache).freed_bytes(name, blobs) for cache, name in entries)
