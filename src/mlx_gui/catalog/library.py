"""The installed models: the one owner of that list."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from mlx_gui.catalog.away import seen
from mlx_gui.catalog.models import listed_models
from mlx_gui.catalog.names import meant_in_any_reading
from mlx_gui.catalog.recognitions import Recognitions
from mlx_gui.catalog.resolving import LONGEST_NAME, Names, alias_in
from mlx_gui.catalog.scan import ScanResult, Search, Sighting, combined, search, search_again
from mlx_gui.core.errors import Conflict, ModelNotFound, NotReady
from mlx_gui.core.job import Job
from mlx_gui.core.model import Kind, Model
from mlx_gui.store.database import Store
from mlx_gui.store.models import forget_seen, hide, record_found, show, show_all

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


_FIRST_SCAN_S = 60.0
_INSTALLED_SOON_S = 5


class Library:
    """What the last scan of the model folders found.

    `supported` names the architectures that the installed libraries can load, by kind. Where it
    names none, as for every kind before the device was probed, all pass. `builtin` models lie in no
    folder. `on_change` is called after each scan. `installing` are the models that are not there
    yet, by their ids, with the jobs that bring them; `aliases` the ids of models by other names.
    """

    def __init__(
        self,
        *,
        store: Store,
        model_dirs: Callable[[], tuple[Path, ...]],
        supported: Callable[[], Mapping[Kind, tuple[str, ...]]],
        on_change: Callable[[], None],
        installing: Callable[[], Mapping[str, Job]] = dict[str, Job],
        aliases: Callable[[], Mapping[str, str]] = dict[str, str],
        builtin: tuple[Model, ...] = (),
    ) -> None:
        self._store = store
        self._model_dirs = model_dirs
        self._supported = supported
        self._on_change = on_change
        self._installing = installing
        self._aliases = aliases
        self._builtin = builtin
        self._names = Names(builtin)
        self._found = Search((), ())
        self._recognitions = Recognitions()
        self._scanned = asyncio.Event()
        self._scanning = asyncio.Lock()

    @property
    def scanned(self) -> bool:
        """Whether the first scan has ended."""
        return self._scanned.is_set()

    def models(self) -> tuple[Model, ...]:
        """All models, sorted by id."""
        return self._names.models

    async def listed(self) -> tuple[Model, ...]:
        """All models, sorted by id; just after the start, once the first scan has ended."""
        try:
            async with asyncio.timeout(_FIRST_SCAN_S):
                await self._scanned.wait()
        except TimeoutError:
            raise NotReady(
                "The server still looks for its models.",
                hint="Try again in a moment; /ready tells when.",
                retry_after_s=5,
            ) from None
        return self._names.models

    async def find(self, name: str) -> Model:
        """What `resolve` returns; just after the start, once the first scan has ended."""
        await self.listed()
        return self.resolve(name)

    def resolve(self, name: str) -> Model:
        """The model that is meant by `name`, as `catalog/resolving.py:Names` says.

        Raises ModelNotFound, NotReady for one that is being installed, and InvalidRequest with all
        ids when there are several. The model may have a `problem`.
        """
        try:
            found = self._names.resolve(name, self._aliases())
        except ModelNotFound:
            self._refuse_unfinished(name)
            raise
        if found is not None:
            return found
        self._refuse_unfinished(name)
        raise self._names.not_found(name)

    def refuse_taken(self, name: str) -> None:
        """Raises Conflict when a model is called `name`, or is about to be."""
        taken = {model.id for model in self._names.models} | self._installing().keys()
        if name in taken:
            raise Conflict(
                f"There is a model {name} already.",
                hint="Give the new one another name, or remove the other one first.",
                details={"model": name},
            )

    def alias_in(self, name: str, model: Model) -> str | None:
        """The alias by which `name` means `model`; None where it is a name of its own."""
        if meant_in_any_reading(name, (model.id,)) is not None:
            return None
        return alias_in(name, self._aliases())

    def refuse_id(self, name: str) -> None:
        """Raises Conflict for the id of an installed model, which nothing else can be called."""
        if any(model.id == name for model in self._names.models):
            raise Conflict(
                f"'{name}' is the id of an installed model.", hint="Choose another alias."
            )

    def places(self, model: Model) -> tuple[Sighting, ...]:
        """Where `model` lies, or its adapter where it has one; none for one that is built in."""
        folders = {model.adapter or model.path, *(() if model.adapter else model.copies)}
        return tuple(each for each in self._found.sightings if str(each.found.folder) in folders)

    def sightings(self) -> tuple[Sighting, ...]:
        """Every folder of a model or adapter, be it listed or not."""
        return self._found.sightings

    def model_dirs(self) -> tuple[Path, ...]:
        """The folders that are searched."""
        return self._model_dirs()

    def _refuse_unfinished(self, name: str) -> None:
        if len(name) > LONGEST_NAME:
            return
        installing = self._installing()
        found = meant_in_any_reading(name, installing)
        if found is not None:
            job = installing[found]
            raise NotReady(
                f"The model '{found}' is still being installed{_how_far(job)}.",
                hint=f"Try again in a moment; `GET /v1/jobs/{job.id}` and `mlx-gui jobs` show how "
                "far it is.",
                details={"model": found, "job": job.id},
                retry_after_s=_INSTALLED_SOON_S,
            )

    async def rescan(self, *, show_hidden: bool = False) -> tuple[Model, ...]:
        """What lies in the folders now; of what has not changed nothing is read again.

        With `show_hidden` all that was hidden is listed from now on. Raises StoreError.
        """
        async with self._scanning:
            if show_hidden:
                await self._store.write(show_all)
            await self._take(
                await asyncio.to_thread(search, self._model_dirs(), self._recognitions)
            )
            self._scanned.set()
        self._on_change()
        return self.models()

    async def look_again(self, *places: Path) -> None:
        """Add, change or remove what lies at and below `places`, without a search of all folders.

        A place that is not below one of the model folders changes nothing. Raises StoreError.
        """
        async with self._scanning:
            found = self._found
            for place in places:
                found = await asyncio.to_thread(
                    search_again, found, self._model_dirs(), place, self._recognitions
                )
            await self._take(found)
        self._on_change()

    def name_in_folder(self, model: Model) -> str:
        """What its place calls the model, or its adapter where it has one."""
        places = self.places(model)
        return places[0].found.name if places else model.id

    async def hide(self, name: str) -> None:
        """From the next look on, what its place calls so is not listed until a rescan asks."""
        await self._store.write(partial(hide, name=name))

    async def show(self, name: str) -> None:
        """From the next look on, list what its place calls so, if it is there."""
        await self._store.write(partial(show, name=name))

    async def forget(self, name: str) -> None:
        """What was removed is missing for that reason, and not because its disk is away."""
        await self._store.write(partial(forget_seen, name=name))

    async def _take(self, found: Search) -> None:
        """Have the list say what was found. Raises StoreError, and leaves it as it is then."""
        result = await asyncio.to_thread(combined, found, self._recognitions)
        for note in result.notes:
            log.warning("left out of the model list", reason=note)
        remembered = await asyncio.to_thread(_remembered, found, result)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        known = await self._store.write(
            lambda connection: record_found(connection, remembered, now=now)
        )
        models = await asyncio.to_thread(
            listed_models,
            result,
            builtin=self._builtin,
            supported=self._supported(),
            known=known,
            model_dirs=self._model_dirs(),
        )
        discovered = {name: each.discovered_at for name, each in known.items()}
        adapters = tuple(each for each in result.adapters if not known[each.name].hidden)
        self._found, self._names = found, Names(models, adapters, discovered)


def _remembered(found: Search, result: ScanResult) -> dict[str, str | None]:
    """What the store is to keep of each model and adapter, by name."""
    models = {str(each.folder): each for each in result.models}
    remembered: dict[str, str | None] = {each.name: None for each in result.adapters}
    for sighting in found.sightings:
        model = models.get(str(sighting.found.folder))
        if model is not None:
            remembered[model.name] = seen(
                sighting,
                disk_bytes=model.disk_bytes,
                facts=model.recognised.facts,
                licence=model.licence,
            )
    return remembered


def _how_far(job: Job) -> str:
    if not job.stage:
        return ""
    return f": {job.stage}, {job.done / job.total:.0%}" if job.total else f": {job.stage}"
