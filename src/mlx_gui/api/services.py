"""The parts of the program that routes use."""

from collections.abc import Callable
from dataclasses import dataclass

from mlx_gui.api.media import Media
from mlx_gui.bus import EventBus
from mlx_gui.catalog.aliases import Aliases
from mlx_gui.catalog.hub import Hub
from mlx_gui.catalog.library import Library
from mlx_gui.config import Config
from mlx_gui.control.dispatch import Dispatch
from mlx_gui.control.jobs.downloads import Downloads
from mlx_gui.control.jobs.owner import Jobs
from mlx_gui.control.machine.budget import BudgetSource
from mlx_gui.control.machine.history import SampleHistory
from mlx_gui.control.machine.reading import MachineIdentity
from mlx_gui.control.machine.sampler import MemorySampler
from mlx_gui.control.notices.notices import Notices
from mlx_gui.control.removals import Removals
from mlx_gui.control.requests.overview import Requests
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.control.safe_mode import SafeMode
from mlx_gui.control.settings.check import SettingsCheck
from mlx_gui.control.settings.models import ModelSettingsOwner
from mlx_gui.control.settings.server import ServerSettings
from mlx_gui.control.updates import Updates
from mlx_gui.control.workers.probe import DeviceProbe
from mlx_gui.control.workers.warm_spare import WarmSpare
from mlx_gui.log_tail import LogTail
from mlx_gui.store.database import Store
from mlx_gui.store.samples import SampleStore
from mlx_gui.store.uploads import Uploads


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What is installed, in memory and set of models."""

    library: Library
    aliases: Aliases
    removals: Removals
    run_loop: RunLoop
    settings: ModelSettingsOwner
    settings_check: SettingsCheck
    preload: Callable[[], None]
    hub: Hub


@dataclass(frozen=True, slots=True)
class MachineParts:
    """What the machine is and has, and what is used of it."""

    identity: MachineIdentity
    device: DeviceProbe
    sampler: MemorySampler
    budget: BudgetSource
    samples: SampleStore
    history: SampleHistory
    spare: WarmSpare


@dataclass(frozen=True, slots=True)
class ServerParts:
    """What this run of the server is, and how it is set. `started_at` is Unix time."""

    settings: ServerSettings
    safe_mode: SafeMode
    boot_id: str
    started_at: float
    address: Callable[[], str]
    ready: Callable[[], bool]
    ui_build: Callable[[], str | None]
    local_token: str
    logs: LogTail
    updates: Updates

    @property
    def config(self) -> Config:
        """What the settings are now."""
        return self.settings.config


@dataclass(frozen=True, slots=True)
class Services:
    """One instance a server, built by the composition root."""

    models: ModelParts
    machine: MachineParts
    server: ServerParts
    dispatch: Dispatch
    requests: Requests
    jobs: Jobs
    downloads: Downloads
    notices: Notices
    uploads: Uploads
    media: Media
    store: Store
    bus: EventBus
