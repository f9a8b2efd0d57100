"""The JSON of the server's and the machine's state, and of the event stream."""

from typing import Literal

from pydantic import BaseModel

from mlx_gui.core.device import Backend
from mlx_gui.wire.models import ErrorBody, MemoryNeedBody, MemoryUseBody, ModelObject, State


class LoadedModel(BaseModel):
    """A model that has a worker now, or is waiting to get one.

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


class UnloadedModel(BaseModel):
    """A model that was asked for since the server started, and has no worker now."""

    id: str
    state: State
    pinned: bool
    priority: int
    loads: int
    evictions: int
    evicted_because: str | None
    last_used_at: str | None
    error: ErrorBody | None


class QueuedRequest(BaseModel):
    """A request that waits in the control plane's queue."""

    request_id: str
    model: str
    position: int
    waiting_ms: float


class ManagerStatus(BaseModel):
    """Which models are resident, and who waits."""

    loaded_models: list[LoadedModel]
    queue: list[QueuedRequest]
    max_loaded_models: int
    active_requests: int
    queued_requests: int
    unloaded_models: list[UnloadedModel] = []


class MemorySegment(BaseModel):
    """A model's part of the memory bar."""

    model_id: str
    weights_bytes: int
    kv_bytes: int
    prefix_bytes: int
    other_bytes: int


class MemoryStatus(BaseModel):
    """The machine's memory. `budget_bytes` is what models may use together."""

    total_bytes: int
    available_bytes: int
    other_apps_bytes: int
    budget_bytes: int
    used_by_models_bytes: int
    pressure: Literal["normal", "warn", "critical"]
    segments: list[MemorySegment]


class DiskStatus(BaseModel):
    """The disk that holds the data directory."""

    path: str
    free_bytes: int
    total_bytes: int


class DeviceStatus(BaseModel):
    """The device that MLX computes on."""

    backend: Backend
    name: str
    memory_bytes: int
    working_set_bytes: int | None
    blas: str | None


class ServerStatus(BaseModel):
    """This server process."""

    version: str
    boot_id: str
    pid: int
    started_at: str
    uptime_s: float
    address: str
    data_dir: str
    model_dirs: list[str]
    rss_bytes: int


class SystemStatus(BaseModel):
    """Server, machine, memory and versions; `device` is null until the probe has answered."""

    server: ServerStatus
    device: DeviceStatus | None
    memory: MemoryStatus
    disk: DiskStatus
    versions: dict[str, str]


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
    """Second event of `/v1/events`: everything the interface shows, once."""

    models: list[ModelObject]
    memory: MemoryStatus


class RemovedModel(BaseModel):
    """A model that is gone from disk."""

    id: str
