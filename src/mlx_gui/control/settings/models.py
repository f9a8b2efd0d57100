"""The settings that were made for single models: their one owner."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog

from mlx_gui.config import Config
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.model import Model
from mlx_gui.core.setting_row import ModelSettings, Value
from mlx_gui.model_settings import checked, resolve_model, with_adapter
from mlx_gui.store.database import Store
from mlx_gui.store.model_settings import all_model_settings, change_model_settings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ModelSettingsOwner:
    """What was set for each model, in memory and, first, in the store.

    A base model's settings hold for it with an adapter too, whose own settings win. `changing` is
    held during a change, so that nothing else changes beside it.
    """

    def __init__(
        self, store: Store, server: Callable[[], Config], *, changing: asyncio.Lock | None = None
    ) -> None:
        self._store = store
        self._server = server
        self._own: dict[str, dict[str, Value]] = {}
        self._changing = changing or asyncio.Lock()

    async def recall(self) -> None:
        """Read what an earlier server was told; what this version does not know is left out."""
        for model_id, stored in (await self._store.read(all_model_settings)).items():
            self._own[model_id] = {}
            for name, raw in stored.items():
                try:
                    self._merge(model_id, checked({name: raw}))
                except InvalidRequest as error:
                    log.warning("model_setting_ignored", model=model_id, reason=error.message)

    def of(self, model: Model) -> ModelSettings:
        """What holds for `model` now."""
        return self.after({}, model=model)

    def under(self, config: Config, *, model: Model) -> ModelSettings:
        """What would hold for `model` if `config` were the server's."""
        return resolve_model(config, self._set_for(model, lambda name: self._own.get(name, {})))

    def after(
        self, changes: Mapping[str, Value | None], *, model: Model, changed: str | None = None
    ) -> ModelSettings:
        """What would hold for `model` after `changes` to the model `changed`, else to itself."""

        def own(model_id: str) -> dict[str, Value]:
            kept = self._own.get(model_id, {})
            return _merged(kept, changes) if model_id == (changed or model.id) else kept

        return resolve_model(self._server(), self._set_for(model, own))

    def _set_for(
        self, model: Model, own: Callable[[str], Mapping[str, Value]]
    ) -> Mapping[str, Value]:
        base = with_adapter(own(model.base)) if model.base is not None else {}
        return {**base, **own(model.id)}

    async def change(
        self,
        model: Model,
        changes: Mapping[str, Value | None],
        *,
        check: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Keep `changes`, each fit for its row; None resets a setting.

        No other change is made between `check`, which raises where they cannot be, and these.
        """
        async with self._changing:
            if check is not None:
                await check()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            kept: dict[str, object] = dict(changes)
            await self._store.write(
                lambda connection: change_model_settings(
                    connection, model.id, changes=kept, now=now
                )
            )
            self._merge(model.id, changes)

    def _merge(self, model_id: str, changes: Mapping[str, Value | None]) -> None:
        self._own[model_id] = _merged(self._own.get(model_id, {}), changes)


def _merged(own: Mapping[str, Value], changes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in {**own, **changes}.items() if value is not None}
