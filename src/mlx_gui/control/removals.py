"""Removing models and bringing them back: out of memory, off the list, into the trash; and back."""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from mlx_gui.catalog.deleting import clear_deletions
from mlx_gui.catalog.library import Library
from mlx_gui.catalog.removal import Removal, removal_of
from mlx_gui.catalog.trash import Trash, TrashEntry
from mlx_gui.config import Config
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.control.residency.views import ResidentView
from mlx_gui.core.errors import Conflict, MlxGuiError, ModelNotFound
from mlx_gui.core.job import Job
from mlx_gui.core.model import Model, TextOptions
from mlx_gui.kinds.transcription import TranscriptionOptions
from mlx_gui.store.database import Store
from mlx_gui.store.errors import StoreError
from mlx_gui.store.models import note_trash_bases, trash_bases

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_DAY_S = 86_400
_LOOK_EVERY_S = 3600


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal has done: `entry` is None where nothing can come back, or nothing was moved.

    `stays` are other revisions, which other programs may use.
    """

    model: Model
    entry: TrashEntry | None
    freed_bytes: int
    stays: tuple[str, ...] = ()


class Removals:
    """One removal or restore at a time. `installing` are the models that jobs bring, by id."""

    def __init__(
        self,
        store: Store,
        *,
        library: Library,
        run_loop: RunLoop,
        config: Callable[[], Config],
        installing: Callable[[], dict[str, Job]],
    ) -> None:
        self._store = store
        self._library = library
        self._run_loop = run_loop
        self._config = config
        self._installing = installing
        self._bases: set[Path] = set()
        self._trash = Trash(self._folders)
        self._changing = asyncio.Lock()

    async def recall(self) -> None:
        """Bring to an end what an earlier server was about. Raises nothing; the log tells."""
        try:
            self._bases = {Path(each) for each in await self._store.read(trash_bases)}
            await asyncio.to_thread(clear_deletions, self._config().model_dirs)
            found = await asyncio.to_thread(self._trash.recover)
            for entry in found.removed:
                await self._off_the_list(entry.name, revision=entry.revision)
            for name in found.restored:
                await self._library.show(name)
        except (StoreError, MlxGuiError) as error:
            log.error("trash_not_recovered", reason=error.message)

    async def run(self) -> None:
        """Delete what has lain in the trash for long enough, now and from time to time."""
        while True:
            await self.delete_expired()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def delete_expired(self) -> None:
        """What has lain there for `trash_retention_days` goes now; that it cannot is logged."""
        now_s = time.time()
        for entry in await self.entries():
            if self.undo_until_s(entry) > now_s:
                continue
            try:
                await self.delete(entry.id)
            except MlxGuiError as error:
                log.error("trash_kept", entry=entry.id, reason=error.message)
            else:
                log.info("trash_expired", entry=entry.id, model=entry.model_id)

    def undo_until_s(self, entry: TrashEntry) -> float:
        """Unix time until which it can come back."""
        kept = timedelta(days=self._config().trash_retention_days)
        return entry.removed_at + kept.total_seconds()

    async def entries(self) -> list[TrashEntry]:
        """What can come back, the latest first."""
        return await asyncio.to_thread(self._trash.entries)

    async def get(self, entry_id: str) -> TrashEntry:
        """Raises NotFound."""
        return await asyncio.to_thread(self._trash.get, entry_id)

    async def remove(self, model: Model, *, force: bool = False, for_good: bool = False) -> Removed:
        """Take the model out of memory and off the list, and its files to the trash.

        With `trash_retention_days` 0 they are deleted; with `for_good` as well, without any way
        over the trash, for which a full disk has no room. Raises Conflict while it answers, unless
        forced, while it is installed, and where its files cannot be moved.
        """
        self._refuse(model)
        if model.away:
            raise Conflict(
                f"{model.problem} Nothing can be removed from it.",
                hint="Bring the disk back, or have the model forgotten: `remove_files=false`, "
                "`mlx-gui rm --keep-files`.",
            )
        async with self._changing:
            self._refuse_gone(model)
            removals = await asyncio.to_thread(self._planned, model)
            stays = tuple(each for removal in removals for each in removal.stays)
            if for_good:
                await self._out_of_memory(model, force=force)
                freed_bytes = await asyncio.shield(self._deleted(model, removals))
                log.info("model_deleted", model=model.id, freed_bytes=freed_bytes)
                return Removed(model, None, freed_bytes, stays)
            await self._note(removals)
            await self._out_of_memory(model, force=force)
            # Whoever asked may go away; half of it would be done then.
            entry = await asyncio.shield(self._moved(model, removals))
        log.info("model_removed", model=model.id, entry=entry.id, freed_bytes=entry.freed_bytes)
        if self._config().trash_retention_days == 0:
            return Removed(model, None, await self.delete(entry.id), stays)
        return Removed(model, entry, entry.freed_bytes, stays)

    async def forget(self, model: Model, *, force: bool = False) -> Removed:
        """Take the model out of memory and off the list; its files stay where they are."""
        self._refuse(model)
        async with self._changing:
            self._refuse_gone(model)
            await self._out_of_memory(model, force=force)
            await self._library.hide(self._library.name_in_folder(model))
            await self._library.look_again()
        log.info("model_forgotten", model=model.id)
        return Removed(model, None, 0)

    async def restore(self, entry_id: str) -> TrashEntry:
        """What came back, and is listed again.

        Raises NotFound, and Conflict where its place is taken or the files cannot be moved.
        """
        async with self._changing:
            return await asyncio.shield(self._back(entry_id))

    async def delete(self, entry_id: str) -> int:
        """The bytes that came free, for good. Raises NotFound, Conflict."""
        async with self._changing:
            return await asyncio.to_thread(self._trash.delete, entry_id)

    def _folders(self) -> set[Path]:
        roots = self._config().model_dirs
        return self._bases.union(roots, (root.parent for root in roots))

    def _refuse(self, model: Model) -> None:
        if not model.path:
            raise Conflict(f"{model.id} is built in, and has no files that could be removed.")
        job = self._installing().get(model.id)
        if job is not None:
            raise Conflict(
                f"{model.id} is being installed.",
                hint=f"Cancel that first: `mlx-gui jobs {job.id} --cancel`.",
                details={"model": model.id, "job": job.id},
            )

    def _refuse_gone(self, model: Model) -> None:
        """Raises ModelNotFound where somebody else has removed it while this was waited for."""
        if self._library.resolve(model.id).id != model.id:
            raise ModelNotFound(
                f"The model '{model.id}' is not installed any more.", details={"model": model.id}
            )

    def _planned(self, model: Model) -> tuple[Removal, ...]:
        places = self._library.places(model)
        if not places:
            raise Conflict(
                f"{model.id} is not where it was found.", hint="Rescan the model folders."
            )
        try:
            return tuple(removal_of(each.root, each.place, each.found.folder) for each in places)
        except OSError as error:
            raise Conflict(
                f"{model.id} cannot be removed: {error.strerror} ({error.filename}).",
                hint="Look whether its disk is there and may be written.",
            ) from error

    async def _note(self, removals: Collection[Removal]) -> None:
        """Know where the trash lies before there is any. Raises StoreError."""
        new = {removal.base for removal in removals} - self._folders()
        await self._store.write(
            lambda connection: note_trash_bases(connection, [str(each) for each in new])
        )
        self._bases |= new

    async def _out_of_memory(self, model: Model, *, force: bool) -> None:
        """End all that has the model's files open. Raises Conflict where it answers."""
        folders = {model.adapter} if model.adapter else {model.path, *model.copies}
        views = self._run_loop.snapshot().models
        for each in self._run_loop.resident_models():
            besides = _loaded_besides(views.get(each.id))
            if not folders.isdisjoint({each.path, each.adapter, besides}):
                await self._run_loop.unload(each, force=force)
        await self._run_loop.unload(model, force=force)

    async def _moved(self, model: Model, removals: Collection[Removal]) -> TrashEntry:
        places = [each.place for each in self._library.places(model)]
        name = self._library.name_in_folder(model)
        entry = await asyncio.to_thread(
            self._trash.remove, model.id, removals, name=name, now_s=time.time()
        )
        try:
            await self._off_the_list(entry.name, revision=entry.revision)
        finally:
            # Where the store takes nothing, it can come back all the same.
            await asyncio.to_thread(self._trash.confirm, entry.id)
        await self._library.look_again(*places)
        return entry

    async def _deleted(self, model: Model, removals: Collection[Removal]) -> int:
        places = [each.place for each in self._library.places(model)]
        name = self._library.name_in_folder(model)
        freed_bytes = await asyncio.to_thread(self._trash.delete_now, removals)
        await self._off_the_list(name, revision=any(each.repo for each in removals))
        await self._library.look_again(*places)
        return freed_bytes

    async def _off_the_list(self, name: str, *, revision: bool) -> None:
        """Have the model be neither away nor, by another revision of its repo, still there."""
        if revision:
            await self._library.hide(name)
        await self._library.forget(name)

    async def _back(self, entry_id: str) -> TrashEntry:
        entry = await asyncio.to_thread(self._trash.begin_restore, entry_id)
        # Between the two, so that it is known of if the server dies before or after.
        await self._library.show(entry.name)
        try:
            await asyncio.to_thread(self._trash.restore, entry_id)
        except MlxGuiError:
            await self._off_the_list(entry.name, revision=entry.revision)
            raise
        log.info("model_restored", model=entry.model_id, entry=entry.id)
        await self._library.look_again(*entry.places)
        return entry


def _loaded_besides(view: ResidentView | None) -> str | None:
    """The folder of the model that a worker has loaded besides, to draft or to find speech."""
    match None if view is None or view.spec is None else view.spec.options:
        case TextOptions(draft=folder) | TranscriptionOptions(detector=folder):
            return folder
        case _:
            return None
