"""What a server finds out and loads once it serves, and what it loads when models come later."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from mlx_gui.bus import EventBus
from mlx_gui.catalog.aliases import Aliases
from mlx_gui.catalog.library import Library
from mlx_gui.config import Config
from mlx_gui.control.plans.measurements import Measurements
from mlx_gui.control.removals import Removals
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.control.safe_mode import SafeMode
from mlx_gui.control.settings.models import ModelSettingsOwner
from mlx_gui.control.workers.probe import DeviceProbe
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.model import Model
from mlx_gui.store.errors import StoreError

log = structlog.get_logger(__name__)

SPARE_AFTER_S = 3.0
"""A spare is begun when the server has been ready for so long: its start must be quick."""


@dataclass(frozen=True, slots=True)
class Boot:
    """Reads the device, the store and the folders; that one of them fails ends no server."""

    config: Callable[[], Config]
    device: DeviceProbe
    library: Library
    model_settings: ModelSettingsOwner
    measurements: Measurements
    run_loop: RunLoop
    removals: Removals
    aliases: Aliases
    safe_mode: SafeMode
    bus: EventBus

    async def run(self) -> None:
        """Once, when the server begins to answer."""
        try:
            await self.device.ensure()
        except (StoreError, MlxGuiError) as error:
            log.error("device_unknown", reason=error.message)
        self.bus.publish("system")
        try:
            await self.model_settings.recall()
            await self.measurements.recall()
            await self.aliases.recall()
            await self.removals.recall()
            await self.library.rescan()
        except (StoreError, MlxGuiError) as error:
            # A full disk, most likely: the server lives, and a rescan makes it ready later.
            log.error("models_unknown", reason=error.message)
            return
        log.info("ready", models=len(self.library.models()))
        if not self.safe_mode.active:
            self.preload()
        await asyncio.sleep(SPARE_AFTER_S)
        self.run_loop.settings_changed()

    async def search_again(self) -> None:
        """Read the folders anew; that they cannot be read is logged."""
        try:
            await self.library.rescan()
        except (StoreError, MlxGuiError) as error:
            log.error("models_unknown", reason=error.message)

    async def take_in(self, model_id: str) -> None:
        """Have a model that has just come be listed, and loaded if it was to be from the start."""
        await self.library.show(model_id)
        await self.library.rescan()
        if not self.safe_mode.active:
            self.preload(model_id)

    def preload(self, only: str | None = None) -> None:
        """Load what the settings of the server or of a model want in memory from the start."""
        wanted: dict[str, Model] = {}
        for name in self.config().preload:
            try:
                model = self.library.resolve(name)
            except MlxGuiError as error:
                log.warning("preload_skipped", model=name, reason=error.message)
            else:
                wanted[model.id] = model
        for model in self.library.models():
            settings = self.model_settings.of(model)
            if settings.preload or settings.pinned:
                wanted[model.id] = model
        chosen = [model for model in wanted.values() if only in (None, model.id)]
        # Nobody leaves for a model that is only preloaded, so the pinned ones come first.
        self.run_loop.preload(
            sorted(chosen, key=lambda model: not self.model_settings.of(model).pinned)
        )

    def let_gone_leave(self) -> None:
        """Have models leave that are not in any folder now, and tell of the list."""
        gone = [each for each in self.run_loop.snapshot().models if not self._installed(each)]
        self.run_loop.removed(gone)
        self.bus.publish("models")

    def _installed(self, model_id: str) -> bool:
        try:
            return self.library.resolve(model_id).id == model_id
        except MlxGuiError:
            return False
