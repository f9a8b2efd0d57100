"""What was removed and can come back, on all disks that are there."""

import errno
import secrets
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.catalog.deleting import delete_for_good
from mlx_gui.catalog.removal import Removal
from mlx_gui.catalog.trash_folder import (
    ENTRY_PREFIX,
    Journal,
    State,
    TrashFolder,
    locked,
    recover,
)
from mlx_gui.core.errors import Conflict, DiskFull, NotFound

_FOR_GOOD = (
    "Free some space there, empty the trash (`mlx-gui restore`), or delete the model at once: "
    "`for_good=true`, `mlx-gui rm --for-good`."
)


@dataclass(frozen=True, slots=True)
class TrashEntry:
    """A model that was removed: from where, when (Unix time), and what is free without it.

    `name` is what its place calls it, which of a pair is the adapter's. `revision` says that other
    revisions of its repo stay.
    """

    id: str
    model_id: str
    name: str
    removed_at: float
    freed_bytes: int
    places: tuple[Path, ...]
    revision: bool = False


@dataclass(frozen=True, slots=True)
class Recovered:
    """What had happened when a server died, and nobody knows of: removals, and the names of what
    came back."""

    removed: tuple[TrashEntry, ...]
    restored: frozenset[str]


class Trash:
    """Everything blocks. What goes wrong with a disk is Conflict, or DiskFull.

    `bases` are the folders that may have a trash in them; those whose disk is away have none.
    """

    def __init__(self, bases: Callable[[], Iterable[Path]]) -> None:
        self._bases = bases

    def entries(self) -> list[TrashEntry]:
        """What can come back, the latest first."""
        found: dict[str, list[tuple[TrashFolder, Journal]]] = {}
        for each, journal in self._journals("removed"):
            found.setdefault(journal.id, []).append((each, journal))
        entries = [_entry(parts) for parts in found.values()]
        return sorted(entries, key=lambda entry: (-entry.removed_at, entry.id))

    def get(self, entry_id: str) -> TrashEntry:
        """Raises NotFound."""
        return _entry(self._parts(entry_id))

    def remove(
        self, model_id: str, removals: Collection[Removal], *, name: str, now_s: float
    ) -> TrashEntry:
        """The entry that has all of `removals`; if that cannot be, nothing has happened.

        It is not listed before it is confirmed: if the server dies first, `recover` returns it.
        """
        entry_id = f"{ENTRY_PREFIX}{secrets.token_hex(6)}"
        folders = [TrashFolder(removal.base) for removal in removals]
        begun: list[tuple[TrashFolder, Journal]] = []
        with _said("It cannot be moved to the trash", full_hint=_FOR_GOOD), locked(folders):
            try:
                for number, (folder, removal) in enumerate(zip(folders, removals, strict=True)):
                    about = Journal(entry_id, number, model_id, name, now_s, "removing")
                    journal = folder.begin(about, removal)
                    begun.append((folder, journal))
                for folder, journal in begun:
                    folder.take_in(journal)
            except OSError:
                for folder, journal in begun:
                    folder.undo(journal)
                raise
        return _entry(begun)

    def delete_now(self, removals: Collection[Removal]) -> int:
        """The bytes that came free, for good. It needs no room on the disk."""
        with _said("It cannot be deleted"):
            return delete_for_good(removals)

    def confirm(self, entry_id: str) -> None:
        """Whoever has to know of a removal knows."""
        with _said("It cannot be noted in the trash"):
            for folder in self._folders():
                for journal in folder.journals():
                    if journal.id == entry_id:
                        folder.keep(journal)

    def begin_restore(self, entry_id: str) -> TrashEntry:
        """The entry, which is not listed any more: if the server dies now, `recover` restores it.

        Raises NotFound, and Conflict where its place is taken.
        """
        parts = self._parts(entry_id)
        with (
            _said("It cannot be moved back from the trash"),
            locked(folder for folder, _ in parts),
        ):
            # Somebody else may have done something about it before we had the lock.
            parts = self._parts(entry_id)
            for folder, journal in parts:
                _refuse_taken(folder, journal)
            for folder, journal in parts:
                folder.begin_restore(journal)
        return _entry(parts)

    def restore(self, entry_id: str) -> TrashEntry:
        """The entry that was, of which the restore was begun.

        Raises NotFound, and Conflict where its place is taken: it is listed again then.
        """
        parts = self._parts(entry_id, state="restoring")
        with (
            _said("It cannot be moved back from the trash"),
            locked(folder for folder, _ in parts),
        ):
            for folder, journal in parts:
                if not folder.restore(journal):
                    _refuse_taken(folder, journal)
        return _entry(parts)

    def delete(self, entry_id: str) -> int:
        """The bytes that came free, for good. Raises NotFound."""
        folders = [folder for folder, _ in self._parts(entry_id)]
        with _said("It cannot be deleted"), locked(folders):
            return sum(folder.delete(journal) for folder, journal in self._parts(entry_id))

    def recover(self) -> Recovered:
        """Bring what a crash has broken off to an end."""
        with _said("The trash cannot be put in order"):
            found = recover(self._folders())
        ids = {journal.id for journal in found if journal.state == "removed"}
        return Recovered(
            tuple(entry for entry in self.entries() if entry.id in ids),
            frozenset(journal.name for journal in found if journal.state == "restoring"),
        )

    def _folders(self) -> list[TrashFolder]:
        return [TrashFolder(base) for base in dict.fromkeys(self._bases())]

    def _journals(self, state: State) -> list[tuple[TrashFolder, Journal]]:
        return [
            (folder, journal)
            for folder in self._folders()
            for journal in folder.journals()
            if journal.state == state
        ]

    def _parts(
        self, entry_id: str, *, state: State = "removed"
    ) -> list[tuple[TrashFolder, Journal]]:
        parts = [part for part in self._journals(state) if part[1].id == entry_id]
        if not parts:
            raise NotFound(
                f"There is nothing called '{entry_id}' in the trash.",
                hint="`GET /v1/trash` and `mlx-gui restore` show what there is.",
            )
        return parts


def _entry(parts: list[tuple[TrashFolder, Journal]]) -> TrashEntry:
    _, first = parts[0]
    return TrashEntry(
        first.id,
        first.model_id,
        first.name,
        first.removed_at,
        sum(journal.freed_bytes for _, journal in parts),
        tuple(folder.listed_at(journal) for folder, journal in parts),
        any(journal.repo for _, journal in parts),
    )


def _refuse_taken(folder: TrashFolder, journal: Journal) -> None:
    place = folder.place_of(journal)
    if place.exists() or place.is_symlink():
        raise Conflict(
            f"{journal.model_id} cannot come back: there is something at {place}.",
            hint="Remove or rename what is there, and try again.",
        )


@contextmanager
def _said(
    what: str, *, full_hint: str = "Free some space there, and try again."
) -> Generator[None]:
    """What the system says of a disk, as an error with the path in it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"{what}: the disk of {error.filename or 'the trash'} is full.",
                hint=full_hint,
            ) from error
        raise Conflict(
            f"{what}: {error.strerror or error} ({error.filename}).",
            hint="Check the owner and the rights of the folder, and whether its disk is there.",
        ) from error
