"""What the run loop shows and answers: views of its notes that were true a moment ago."""

from dataclasses import dataclass
from typing import Literal

from mlx_gui.control.workers.weighing import MemoryReturned
from mlx_gui.core.errors import ErrorInfo
from mlx_gui.core.model import LoadSpec, MemoryNeed, MemoryUse

ResidentState = Literal["not_loaded", "queued", "loading", "ready", "busy", "unloading", "failed"]


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """How a load ended well. `duration_ms` is 0 when nothing had to be loaded."""

    already_loaded: bool
    duration_ms: float


@dataclass(frozen=True, slots=True)
class UnloadOutcome:
    """What an unload gave back; `returned` is None where there was no worker to end."""

    was_loaded: bool
    returned: MemoryReturned | None = None

    @property
    def freed_bytes(self) -> int:
        """What the worker held when it was asked to end."""
        return 0 if self.returned is None else self.returned.held_bytes


LeaveAction = Literal["evict", "expire", "unload", "reload", "recycle"]


@dataclass(frozen=True, slots=True)
class Left:
    """Why a model left memory last; `at` is Unix time, `cause` the model that it made room for."""

    at: float
    action: LeaveAction
    reason: str
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class ResidentView:
    """What was true of a model a moment ago; times are unix seconds."""

    model_id: str
    state: ResidentState
    pid: int | None
    spec: LoadSpec | None
    need: MemoryNeed | None
    memory: MemoryUse | None
    active: int
    queued: int
    loads: int
    last_used_at: float | None
    expires_at: float | None
    load_progress: float | None
    load_stage: str | None
    error: ErrorInfo | None
    serial_because: str | None = None
    keep_alive_s: float | None = None
    """As the latest request asked; None means the setting, less than 0 for ever."""
    pinned: bool = False
    priority: int = 0
    evictions: int = 0
    evicted_because: str | None = None
    left: Left | None = None
    returned: MemoryReturned | None = None
    """What came back of the model's last worker."""
    waits_because: str | None = None
    """Why somebody who wants the model has to wait for it."""


@dataclass(frozen=True, slots=True)
class QueuedView:
    """A request in the control plane's queue; `position` counts from 1 within its model."""

    request_id: str
    model_id: str
    position: int
    waiting_s: float


@dataclass(frozen=True, slots=True)
class ResidencySnapshot:
    """Advisory: to be shown, never to decide from."""

    models: dict[str, ResidentView]
    queue: tuple[QueuedView, ...]
    stopping: bool
