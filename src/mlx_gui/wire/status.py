"""The JSON of the server's and the machine's state, and of the event stream."""

from typing import Literal

from pydantic import BaseModel

from mlx_gui.core.device import Backend
from mlx_gui.wire.downloads import DownloadBody
from mlx_gui.wire.history import MetricsEvent
from mlx_gui.wire.jobs import JobBody
from mlx_gui.wire.logs import LogsEvent
from mlx_gui.wire.models import (
    ErrorBody,
    MemoryNeedBody,
    MemoryReturnedBody,
    MemoryUseBody,
    ModelObject,
    State,
)
from mlx_gui.wire.notices import NoticeBody
from mlx_gui.wire.requests import RequestsEvent
from mlx_gui.wire.server_settings import ServerSettingsBody


class SafeModeBody(BaseModel):
    """Whether the server loads nothing by itself; `reason` is null while it is not active."""

    active: bool
    reason: str | None


class LoadedModel(BaseModel):
    """A model that has a worker now: in memory, on its way there, or leaving.

    `serial_because` says why it answers one request at a time, where it cannot batch.
    `need` is what it is planned to take, `memory` what it takes by its own measure.
    `keep_alive_s` is what the latest request asked for; null is the setting, less than 0 for ever.
    """

    id: str
    state: State
    pid: int | None
    memory: MemoryUseBody | None
    slots: int
    active: int
    queued: int
    loads: int
    last_used_at: str | None
    expires_at: str | None
    weight_form: str | None
    context: int | None
    serial_because: str | None
    need: MemoryNeedBody | None = None
    pinned: bool = False
    priority: int = 0
    keep_alive_s: float | None = None
    evictions: int = 0
    evicted_because: str | None = None
    error: ErrorBody | None = None


class LeftBody(BaseModel):
    """Why a model left memory last: what was done to it, and for the sake of which model."""

    at: str
    action: Literal["evict", "expire", "unload", "reload", "recycle"]
    reason: str
    cause: str | None


class UnloadedModel(BaseModel):
    """A model that was asked for since the server started, and has no worker now.

    `returned` is what came back of its last worker, and `left` is why that ended, unless it
    crashed.
    """

    id: str
    state: State
    pinned: bool
    priority: int
    loads: int
    evictions: int
    evicted_because: str | None
    last_used_at: str | None
    error: ErrorBody | None
    returned: MemoryReturnedBody | None = None
    left: LeftBody | None = None


class WaitingModel(UnloadedModel):
    """A model that somebody waits for, and that has no worker yet.

    `queued` requests wait, or a load. `waits_because` says what for, where that is known.
    """

    queued: int
    waits_because: str | None


class QueuedRequest(BaseModel):
    """A request that waits in the control plane's queue."""

    request_id: str
    model: str
    position: int
    waiting_ms: float


class SpareBody(BaseModel):
    """A worker in reserve, without a model: `ready` when it has imported everything."""

    pid: int
    ready: bool
    held_bytes: int


class ManagerStatus(BaseModel):
    """Which models are in memory, who waits for one, and which others were asked for before.

    In safe mode nothing was loaded at the start.
    """

    loaded_models: list[LoadedModel]
    queue: list[QueuedRequest]
    max_loaded_models: int
    active_requests: int
    queued_requests: int
    waiting: list[WaitingModel] = []
    unloaded_models: list[UnloadedModel] = []
    spare: SpareBody | None = None
    safe_mode: SafeModeBody = SafeModeBody(active=False, reason=None)


class MemorySegment(BaseModel):
    """A model's part of the memory bar; `pinned` means that it never leaves to make room."""

    model_id: str
    weights_bytes: int
    kv_bytes: int
    prefix_bytes: int
    other_bytes: int
    pinned: bool = False


class BudgetBound(BaseModel):
    """One upper limit of the budget; `reason` ends a sentence."""

    name: Literal["setting", "device", "machine", "container", "free"]
    limit_bytes: int
    reason: str


class BudgetStatus(BaseModel):
    """What models may use together, and what says so.

    `static_bytes` follows from machine and settings, `now_bytes` besides from what other programs
    leave free. `reason` is that of the bound that decides now.
    """

    static_bytes: int
    now_bytes: int
    reason: str
    reserve_bytes: int
    bounds: list[BudgetBound]


class ContainerStatus(BaseModel):
    """The tightest memory limit of the control groups (cgroups) that the server runs in.

    `room_bytes` is what is left of it, `swap_bytes` null where swap has no limit.
    """

    limit_bytes: int
    room_bytes: int
    swap_bytes: int | None


class MemoryStatus(BaseModel):
    """The memory of the machine, or of the container where that is limited to less.

    `budget_bytes` is what models may use together now, `free_bytes` what a further one can take.
    `machine_bytes` is the memory of the machine itself.
    """

    total_bytes: int
    available_bytes: int
    other_apps_bytes: int
    budget_bytes: int
    used_by_models_bytes: int
    pressure: Literal["normal", "warn", "critical"]
    segments: list[MemorySegment]
    machine_bytes: int
    free_bytes: int
    budget: BudgetStatus
    container: ContainerStatus | None


class DiskStatus(BaseModel):
    """The disk that holds the data directory."""

    path: str
    free_bytes: int
    total_bytes: int


class FolderStatus(BaseModel):
    """A folder of ours and the disk that holds it; the figures are null where it cannot be asked.

    A folder that is not there yet is shown with the disk on which it would be made.
    """

    path: str
    use: Literal["data", "models"]
    exists: bool
    free_bytes: int | None
    total_bytes: int | None


class MachineStatus(BaseModel):
    """The machine and its system; null where it does not say."""

    model: str | None
    chip: str | None
    cores: int | None
    system: str


class DeviceStatus(BaseModel):
    """The device that MLX computes on."""

    backend: Backend
    name: str
    memory_bytes: int
    working_set_bytes: int | None
    blas: str | None


class ServerStatus(BaseModel):
    """This server process. `addresses` are all under which it can be reached."""

    version: str
    boot_id: str
    pid: int
    started_at: str
    uptime_s: float
    address: str
    addresses: list[str]
    data_dir: str
    model_dirs: list[str]
    rss_bytes: int


class UpdateStatus(BaseModel):
    """What the package index says of newer versions; `asked_at` is null before it was asked.

    `newest` is what it has, `newer` whether this server is older, and `how` what brings that here:
    a command, or a sentence. `problem` says why the latest question had no answer.
    """

    asked_at: str | None
    newest: str | None
    newer: bool
    how: str
    problem: str | None


class SystemStatus(BaseModel):
    """Server, machine, memory and versions; `device` is null until the probe has answered.

    `update` is null unless the setting `check_updates` has the package index asked.
    """

    server: ServerStatus
    machine: MachineStatus
    device: DeviceStatus | None
    memory: MemoryStatus
    disk: DiskStatus
    folders: list[FolderStatus]
    versions: dict[str, str]
    update: UpdateStatus | None = None


class HealthStatus(BaseModel):
    """`/health` and `/ready`."""

    status: Literal["ok", "starting", "stopping"]
    version: str


class HelloEvent(BaseModel):
    """First event of `/v1/events`."""

    server_version: str
    ui_build: str | None
    boot_id: str
    now: str


class SnapshotEvent(BaseModel):
    """Second event of `/v1/events`: all that was asked for, once.

    What was not asked for is null; `system` also where a disk does not answer, which is told then
    as soon as it does, and `metrics` in the server's first second.
    """

    models: list[ModelObject] | None = None
    memory: MemoryStatus | None = None
    manager: ManagerStatus | None = None
    system: SystemStatus | None = None
    settings: ServerSettingsBody | None = None
    requests: RequestsEvent | None = None
    jobs: list[JobBody] | None = None
    downloads: list[DownloadBody] | None = None
    logs: LogsEvent | None = None
    metrics: MetricsEvent | None = None
    notices: list[NoticeBody] | None = None


class RemovedModel(BaseModel):
    """A model that is gone from disk."""

    id: str
