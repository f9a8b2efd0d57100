"""The installed models: the one owner of that list."""

import asyncio
import difflib
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import structlog

from mlx_gui.catalog.scan import FoundModel, scan
from mlx_gui.core.errors import InvalidRequest, ModelNotFound, NotReady
from mlx_gui.core.model import Model
from mlx_gui.store.database import Store
from mlx_gui.store.models import record_found

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


_FIRST_SCAN_S = 60.0


class Library:
    """What the last scan of the model folders found.

    `supported` names the architectures that the installed mlx-lm can load; as long as it names
    none, because the device was not probed yet, all pass. `builtin` models lie in no folder.
    `on_change` is called after each scan.
    """

    def __init__(
        self,
        *,
        store: Store,
        model_dirs: tuple[Path, ...],
        supported: Callable[[], tuple[str, ...]],
        on_change: Callable[[], None],
        builtin: tuple[Model, ...] = (),
    ) -> None:
        self._store = store
        self._model_dirs = model_dirs
        self._supported = supported
        self._on_change = on_change
        self._builtin = builtin
        self._models = builtin
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

        Raises ModelNotFound, and InvalidRequest with all ids when there are several. The model may
        have a `problem`.
        """
        matches = [model for model in self._models if model.id == name] or [
            model for model in self._models if _short_name(model) == name
        ]
        if not matches:
            raise ModelNotFound(
                f"The model '{name}' is not installed.",
                hint=_advice(name, self._models),
                details={"model": name},
            )
        if len(matches) > 1:
            raise InvalidRequest(
                f"'{name}' may mean {' or '.join(model.id for model in matches)}.",
                hint="Use the full model id.",
                param="model",
            )
        return matches[0]

    async def rescan(self) -> tuple[Model, ...]:
        """What lies in the folders now."""
        async with self._scanning:
            result = await asyncio.to_thread(scan, self._model_dirs)
            for note in result.notes:
                log.warning("left out of the model list", reason=note)
            places = [(found.name, str(found.folder)) for found in result.models]
            now = datetime.now(UTC).isoformat(timespec="seconds")
            discovered = await self._store.write(
                lambda connection: record_found(connection, places, now=now)
            )
            supported = self._supported()
            models = [
                _model(found, supported, discovered_at=discovered[found.name])
                for found in result.models
            ]
            self._models = tuple(sorted((*self._builtin, *models), key=lambda model: model.id))
            self._scanned.set()
        self._on_change()
        return self._models


def _short_name(model: Model) -> str:
    return model.id.rpartition("/")[2]


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


def _model(found: FoundModel, supported: tuple[str, ...], *, discovered_at: str) -> Model:
    facts, problem = found.recognised.facts, found.recognised.problem
    if problem is None and facts and supported and facts.model_type not in supported:
        problem = (
            f"The architecture '{facts.model_type}' is not supported by mlx-lm {version('mlx-lm')}."
        )
    return Model(
        id=found.name,
        path=str(found.folder),
        facts=facts,
        problem=problem,
        disk_bytes=found.disk_bytes,
        discovered_at=discovered_at,
    )
