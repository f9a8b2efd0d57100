"""The trash of one disk: a folder an entry, whose journal says what was, is or will be moved.

    .mlx-gui-trash/trash-<id>.<n>/
        entry.json     the journal, written before anything is moved
        files/<n>      what was moved
        shared/<n>     one more name of what the repo shares with others, so that it stays
    .mlx-gui-trash/making-…, ending-…
        an entry that is not one yet, or no more

Everything is a rename on one disk. After a crash the journal tells what was going on: a removal has
happened if any part was moved, and a restore is finished.
"""

import fcntl
import os
import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from mlx_gui.catalog.removal import TRASH_NAME, Removal, own_bytes, used_blobs
from mlx_gui.catalog.shared_blobs import SharedBlobs
from mlx_gui.core.durable import sync_folder, write_durably

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ENTRY_PREFIX = "trash-"
_MAKING, _ENDING = "making-", "ending-"
_JOURNAL = "entry.json"

State = Literal["removing", "removed", "restoring"]
Part = Literal["first", "main", "rest"]
"""As in a Removal."""


class Moved(msgspec.Struct, frozen=True):
    """`place` is where it belongs, from the folder of the trash on; `kept` is in the entry."""

    part: Part
    place: str
    kept: str


class Held(msgspec.Struct, frozen=True):
    """A blob that belongs at `blob` and links to what the store of `cache` has as `entry_name`."""

    cache: str
    blob: str
    entry_name: str
    kept: str


class Journal(msgspec.Struct, frozen=True):
    """What is known of an entry, or of that part of it, where it lay in several places.

    `name` is what its place calls it, `removed_at` Unix time; `repo` is as in a Removal.
    """

    id: str
    number: int
    model_id: str
    name: str
    removed_at: float
    state: State
    freed_bytes: int = 0
    moved: tuple[Moved, ...] = ()
    held: tuple[Held, ...] = ()
    repo: str = ""


@dataclass(frozen=True, slots=True)
class TrashFolder:
    """The trash in the folder `base`. Everything blocks, and raises OSError.

    Whoever changes something holds `locked`, other servers of the same models included.
    """

    base: Path

    @property
    def folder(self) -> Path:
        return self.base / TRASH_NAME

    @contextmanager
    def locked(self) -> Generator[None]:
        """Nobody else changes this trash meanwhile; waits for whoever does."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def journals(self) -> list[Journal]:
        """Every entry that can be read, in whatever state."""
        found = (_read(each) for each in _named(self.folder, ENTRY_PREFIX))
        return [each for each in found if each is not None]

    def place_of(self, journal: Journal) -> Path:
        """Where the main part of an entry belongs."""
        return next(self._place(each) for each in journal.moved if each.part == "main")

    def listed_at(self, journal: Journal) -> Path:
        """Where the model was found: for one of several revisions in a repo, that repo."""
        if journal.repo:
            return Path(os.path.normpath(self.base / journal.repo))
        return self.place_of(journal)

    def begin(self, about: Journal, removal: Removal) -> Journal:
        """A journal for `removal`, of which nothing is moved yet."""
        parts: list[tuple[Part, Path]] = []
        parts.extend(("first", each) for each in removal.first)
        parts.append(("main", removal.main))
        parts.extend(("rest", each) for each in removal.rest)
        moved = (
            Moved(part, self._relative(path), f"files/{number}")
            for number, (part, path) in enumerate(parts)
        )
        held = (
            Held(
                self._relative(each.cache),
                self._relative(each.blob),
                each.entry_name,
                f"shared/{number}",
            )
            for number, each in enumerate(removal.shared)
        )
        journal = msgspec.structs.replace(
            about,
            freed_bytes=removal.freed_bytes,
            moved=tuple(moved),
            held=tuple(held),
            repo="" if removal.repo is None else self._relative(removal.repo),
        )
        entry = self._entry(journal)
        making = entry.with_name(f"{_MAKING}{entry.name}")
        try:
            for part in ("files", "shared"):
                (making / part).mkdir(parents=True)
            write_durably(making / _JOURNAL, msgspec.json.encode(journal))
            self._hold(journal, making)
            making.rename(entry)
        except OSError:
            shutil.rmtree(making, ignore_errors=True)
            raise
        sync_folder(self.folder)
        return journal

    def take_in(self, journal: Journal) -> None:
        """Move all that is not moved yet."""
        used: frozenset[str] | None = None
        for each in journal.moved:
            place = self._place(each)
            if each.part == "rest" and journal.repo and place.parent.name == "blobs":
                # Another program may have linked to it since this was planned.
                used = used_blobs(self.base / journal.repo) if used is None else used
                if place.name in used:
                    continue
            if os.path.lexists(place):
                _move(place, self._kept(journal, each))

    def undo(self, journal: Journal) -> None:
        """Move back what was moved, as if nothing had been asked for."""
        self._bring_back(journal)
        if self.main_is_here(journal):
            self.keep(journal)
        else:
            self.drop(journal)

    def begin_restore(self, journal: Journal) -> None:
        """From now on the entry is to come back, also after a crash."""
        self._say(journal, "restoring")

    def keep(self, journal: Journal) -> None:
        """The entry is in the trash now, whole."""
        self._say(journal, "removed")

    def restore(self, journal: Journal) -> bool:
        """Move everything back, what makes it a model after all that this needs.

        False, and the entry stays, where its place is taken.
        """
        if self.main_is_here(journal) and os.path.lexists(self.place_of(journal)):
            self.keep(journal)
            return False
        for each in journal.held:
            kept = self._entry(journal) / each.kept
            if kept.exists():
                store = SharedBlobs(self.base / each.cache)
                store.give_back(each.entry_name, kept, self.base / each.blob)
        self._bring_back(journal)
        self._end(self._entry(journal))
        return True

    def delete(self, journal: Journal) -> int:
        """The bytes that came free."""
        return self._end(self._entry(journal), journal)

    def drop(self, journal: Journal) -> None:
        """Forget an entry of which nothing was moved."""
        self._end(self._entry(journal))

    def main_is_here(self, journal: Journal) -> bool:
        """Whether the main part is here, and not where it belongs."""
        mains = (each for each in journal.moved if each.part == "main")
        return any(os.path.lexists(self._kept(journal, each)) for each in mains)

    def moved_any(self, journal: Journal) -> bool:
        """Whether some of it is here."""
        return any(os.path.lexists(self._kept(journal, each)) for each in journal.moved)

    def clear_up(self) -> None:
        """Remove what a crash has left of entries that are none."""
        for each in _named(self.folder, _MAKING):
            shutil.rmtree(each)
        for each in _named(self.folder, _ENDING):
            self._end(each, _read(each))

    def _hold(self, journal: Journal, folder: Path) -> None:
        """Give what other repos share one more name, so that none of them takes it away."""
        for each in journal.held:
            entry = SharedBlobs(self.base / each.cache).entry(each.entry_name)
            if entry.exists():
                os.link(entry, folder / each.kept)

    def _bring_back(self, journal: Journal) -> None:
        for each in reversed(journal.moved):
            place, kept = self._place(each), self._kept(journal, each)
            # Of what has come anew meanwhile, blobs are the same and names are newer.
            if os.path.lexists(kept) and not os.path.lexists(place):
                _move(kept, place)

    def _end(self, entry: Path, journal: Journal | None = None) -> int:
        """Remove the folder of an entry; with its journal, what nobody shares any more, too."""
        ending = entry
        if not entry.name.startswith(_ENDING):
            ending = entry.with_name(f"{_ENDING}{entry.name}")
            entry.rename(ending)
            sync_folder(self.folder)
        freed_bytes = own_bytes([ending])
        _make_removable(ending)
        shutil.rmtree(ending / "shared", ignore_errors=True)
        for each in journal.held if journal is not None else ():
            # That it cannot go harms nobody: the cache's own tools find what nobody links to.
            with suppress(OSError):
                freed_bytes += SharedBlobs(self.base / each.cache).sweep(each.entry_name)
        shutil.rmtree(ending)
        return freed_bytes

    def _say(self, journal: Journal, state: State) -> None:
        said = msgspec.structs.replace(journal, state=state)
        write_durably(self._entry(journal) / _JOURNAL, msgspec.json.encode(said))

    def _entry(self, journal: Journal) -> Path:
        return self.folder / f"{journal.id}.{journal.number}"

    def _place(self, moved: Moved) -> Path:
        return Path(os.path.normpath(self.base / moved.place))

    def _kept(self, journal: Journal, moved: Moved) -> Path:
        return self._entry(journal) / moved.kept

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path, self.base)


def recover(folders: Iterable[TrashFolder]) -> list[Journal]:
    """Bring what a crash has broken off to an end, in all trash folders that are there.

    Returns what has happened, which nobody may know of yet, as `removed` or `restoring`.

    Of an entry with several parts, what was begun with one is finished with all. Raises OSError.
    """
    there = [each for each in folders if each.folder.is_dir()]
    found: dict[str, list[tuple[TrashFolder, Journal]]] = {}
    with locked(there):
        for each in there:
            each.clear_up()
            for journal in each.journals():
                found.setdefault(journal.id, []).append((each, journal))
        return [journal for parts in found.values() for journal in _recover(parts)]


@contextmanager
def locked(folders: Iterable[TrashFolder]) -> Generator[None]:
    """Nobody else changes one of them meanwhile; always in the same order, so that nobody waits
    for one who waits for him."""
    with ExitStack() as held:
        for each in sorted(set(folders), key=lambda folder: folder.base):
            held.enter_context(each.locked())
        yield


def _recover(parts: list[tuple[TrashFolder, Journal]]) -> list[Journal]:
    states = {journal.state for _, journal in parts}
    if states == {"removed"}:
        return []
    log.warning("trash_recovered", entry=parts[0][1].id, model=parts[0][1].model_id)
    came = "removed" in states or any(each.moved_any(journal) for each, journal in parts)
    if "restoring" in states:
        back = [journal for each, journal in parts if each.restore(journal)]
        return [msgspec.structs.replace(journal, state="restoring") for journal in back]
    for each, journal in parts:
        if came:
            each.take_in(journal)
            each.keep(journal)
        else:
            each.drop(journal)
    gone = [journal for _, journal in parts] if came else []
    return [msgspec.structs.replace(journal, state="removed") for journal in gone]


def _named(folder: Path, prefix: str) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return iter(())
    return (folder / name for name in names if name.startswith(prefix))


def _read(entry: Path) -> Journal | None:
    try:
        return msgspec.json.decode((entry / _JOURNAL).read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.error("trash_entry_unreadable", entry=str(entry), reason=str(error))
        return None


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    sync_folder(target.parent)
    sync_folder(source.parent)


def _make_removable(folder: Path) -> None:
    """Folders that may not be written cannot be emptied."""
    for each, _, _ in os.walk(folder):
        with suppress(OSError):
            os.chmod(each, 0o700)
