"""The installed models: the one owner of that list."""

import asyncio
import difflib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import structlog

from mlx_gui.catalog.adapters import Adapter, adapted
from mlx_gui.catalog.models import listed_models
from mlx_gui.catalog.names import READINGS, Reading, meant, meant_in_any_reading
from mlx_gui.catalog.recognitions import Recognitions
from mlx_gui.catalog.scan import Search, combined, search, search_again
from mlx_gui.core.errors import Conflict, ModelNotFound, NotReady
from mlx_gui.core.job import Job
from mlx_gui.core.model import Kind, Model
from mlx_gui.store.database import Store
from mlx_gui.store.models import record_found

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


_FIRST_SCAN_S = 60.0
_INSTALLED_SOON_S = 5
_LONGEST_NAME = 1024
"""Two ids of two folders each, and a tag: nothing is called longer."""
_MOST_PARTS = 32
"""The name of a folder may have a few `+` of its own."""


class Library:
    """What the last scan of the model folders found.

    `supported` names the architectures that the installed libraries can load, by kind. Where it
    names none, as for every kind before the device was probed, all pass. `builtin` models lie in no
    folder. `on_change` is called after each scan. `installing` are the models that are not there
    yet, by their ids, with the jobs that bring them.
    """

    def __init__(
        self,
        *,
        store: Store,
        model_dirs: Callable[[], tuple[Path, ...]],
        supported: Callable[[], Mapping[Kind, tuple[str, ...]]],
        on_change: Callable[[], None],
        installing: Callable[[], Mapping[str, Job]] = dict[str, Job],
        builtin: tuple[Model, ...] = (),
    ) -> None:
        self._store = store
        self._model_dirs = model_dirs
        self._supported = supported
        self._on_change = on_change
        self._installing = installing
        self._builtin = builtin
        self._models = builtin
        self._found = Search((), ())
        self._recognitions = Recognitions()
        self._adapters: tuple[Adapter, ...] = ()
        self._discovered: dict[str, str] = {}
        self._scanned = asyncio.Event()
        self._scanning = asyncio.Lock()

    @property
    def scanned(self) -> bool:
        """Whether the first scan has ended."""
        return self._scanned.is_set()

    def models(self) -> tuple[Model, ...]:
        """All models, sorted by id."""
        return self._models

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
        return self._models

    async def find(self, name: str) -> Model:
        """What `resolve` returns; just after the start, once the first scan has ended."""
        await self.listed()
        return self.resolve(name)

    def resolve(self, name: str) -> Model:
        """The model with the id `name`, or the only one whose id ends in `/name`.

        Where there is none, the same without `:latest`, and then in any case. With `base+adapter`
        that of the base, with the adapter applied. Raises ModelNotFound, NotReady for one that is
        being installed, and InvalidRequest with all ids when there are several. The model may have
        a `problem`.
        """
        bases = {model.id: model for model in self._models if model.adapter is None}
        missing: ModelNotFound | None = None
        for reading in READINGS if len(name) <= _LONGEST_NAME else ():
            try:
                found = self._read(name, bases, reading)
            except ModelNotFound as error:
                missing = missing or error
            else:
                if found is not None:
                    return found
        if len(name) <= _LONGEST_NAME:
            self._refuse_unfinished(name)
        written = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        raise missing or ModelNotFound(
            f"The model '{written}' is not installed.",
            hint=_advice(written, self._models),
            details={"model": written},
        )

    def refuse_taken(self, name: str) -> None:
        """Raises Conflict when a model is called `name`, or is about to be."""
        taken = {model.id for model in self._models} | self._installing().keys()
        if name in taken:
            raise Conflict(
                f"There is a model {name} already.",
                hint="Give the new one another name, or remove the other one first.",
                details={"model": name},
            )

    def _read(self, name: str, bases: Mapping[str, Model], reading: Reading) -> Model | None:
        """What `name` is in one reading. Raises ModelNotFound where a base has no such adapter."""
        if (found := meant(name, bases, reading)) is not None:
            return bases[found]
        adapters = {each.name: each for each in self._adapters}
        missing: ModelNotFound | None = None
        places = (place for place, letter in enumerate(name) if letter == "+")
        for place in islice(places, _MOST_PARTS):
            base = meant(name[:place], bases, reading)
            if base is None:
                continue
            adapter = meant(name[place + 1 :], adapters, reading)
            if adapter is not None:
                return self._adapted(bases[base], adapters[adapter])
            missing = missing or self._no_adapter(bases[base], name[place + 1 :])
        if missing is not None:
            raise missing
        return None

    def _refuse_unfinished(self, name: str) -> None:
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

    async def rescan(self) -> tuple[Model, ...]:
        """What lies in the folders now; of what has not changed nothing is read again."""
        async with self._scanning:
            await self._take(
                await asyncio.to_thread(search, self._model_dirs(), self._recognitions)
            )
            self._scanned.set()
        self._on_change()
        return self._models

    async def look_again(self, *places: Path) -> None:
        """Add, change or remove what lies at and below `places`, without a search of all folders.

        A place that is not below one of the model folders changes nothing.
        """
        async with self._scanning:
            found = self._found
            for place in places:
                found = await asyncio.to_thread(
                    search_again, found, self._model_dirs(), place, self._recognitions
                )
            await self._take(found)
        self._on_change()

    async def _take(self, found: Search) -> None:
        """Have the list say what was found. Raises StoreError, and leaves it as it is then."""
        result = await asyncio.to_thread(combined, found)
        for note in result.notes:
            log.warning("left out of the model list", reason=note)
        names = {each.name for each in (*result.models, *result.adapters)}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        discovered = await self._store.write(
            lambda connection: record_found(connection, names, now=now)
        )
        self._models = await asyncio.to_thread(
            listed_models,
            result,
            builtin=self._builtin,
            supported=self._supported(),
            discovered=discovered,
        )
        self._found, self._adapters, self._discovered = found, result.adapters, discovered

    def _adapted(self, base: Model, adapter: Adapter) -> Model:
        return adapted(base, adapter, discovered_at=self._discovered[adapter.name])

    def _no_adapter(self, base: Model, name: str) -> ModelNotFound:
        known = ", ".join(adapter.name for adapter in self._adapters)
        return ModelNotFound(
            f"The adapter '{name}' for {base.id} is not installed.",
            hint=f"Installed are {known}."
            if known
            else "No adapters are installed. Put an adapter's folder into one of `model_dirs` and "
            "rescan.",
            details={"model": f"{base.id}+{name}"},
        )


def _short_name(model: Model) -> str:
    return model.id.rpartition("/")[2]


def _how_far(job: Job) -> str:
    if not job.stage:
        return ""
    return f": {job.stage}, {job.done / job.total:.0%}" if job.total else f": {job.stage}"


def _advice(name: str, models: tuple[Model, ...]) -> str:
    """The installed models whose id has `name` in it, else those that are written like it."""
    ids = {
        written.casefold(): model.id
        for model in models
        for written in (model.id, _short_name(model))
    }
    part = name.casefold()
    near = [written for written in ids if part in written] or difflib.get_close_matches(part, ids)
    if near:
        return f"Did you mean {' or '.join(list(dict.fromkeys(ids[each] for each in near))[:3])}?"
    if models:
        return "`GET /v1/models` and `mlx-gui list` show what is installed."
    return "No models are installed. Put a model's folder into one of `model_dirs` and rescan."
