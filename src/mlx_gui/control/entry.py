"""The run loop's notes about one model, and the views of them that others may read."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from mlx_gui.control.mailbox import Mailbox
from mlx_gui.control.planning import Plan
from mlx_gui.control.returned import MemoryReturned
from mlx_gui.control.worker_process import WorkerProcess
from mlx_gui.core.errors import ErrorInfo, MlxGuiError
from mlx_gui.core.generation import Failed, Queued, WorkerRequest, credits_of
from mlx_gui.core.model import LoadSpec, MemoryNeed, MemoryUse, Model

ResidentState = Literal["not_loaded", "queued", "loading", "ready", "busy", "unloading", "failed"]


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """How a load ended well. `duration_ms` is 0 when nothing had to be loaded."""

    already_loaded: bool
    duration_ms: float


@dataclass(frozen=True, slots=True)
class UnloadOutcome:
    """What an unload gave back: the resident set of the worker that ended."""

    was_loaded: bool
    freed_bytes: int
    returned: MemoryReturned | None = None


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


@dataclass(slots=True)
class Submission:
    """A request on its way to a worker."""

    request_id: str
    model: Model
    request: WorkerRequest
    mailbox: Mailbox
    enqueued_s: float
    keep_alive_s: float | None = None
    position: int = 0
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(frozen=True, slots=True)
class LoadWaiter:
    """Somebody who waits for a load, and how long the model is to stay loaded after it."""

    outcome: asyncio.Future[LoadOutcome]
    keep_alive_s: float | None = None


@dataclass(slots=True)
class Entry:
    """One model in the run loop. Nobody else writes here. Times are the event loop's.

    `leases` holds the credits that each running request occupies. `keep_alive_s` is what the latest
    request that named one wants for this worker; None means the setting.
    """

    model: Model
    plan: Plan | None = None
    worker: WorkerProcess | None = None
    queue: deque[Submission] = field(default_factory=deque[Submission])
    leases: dict[str, int] = field(default_factory=dict[str, int])
    load_waiters: list[LoadWaiter] = field(default_factory=list[LoadWaiter])
    unload_waiters: list[asyncio.Future[UnloadOutcome]] = field(
        default_factory=list[asyncio.Future[UnloadOutcome]]
    )
    freed_bytes: int = 0
    loads: int = 0
    evictions: int = 0
    evicted_because: str | None = None
    failures_in_a_row: int = 0
    error: ErrorInfo | None = None
    last_used_s: float = 0.0
    last_used_at: float | None = None
    keep_alive_s: float | None = None
    expires_at: float | None = None
    expiry: asyncio.TimerHandle | None = None
    load_timer: asyncio.TimerHandle | None = None

    @property
    def ready(self) -> bool:
        return self.worker is not None and self.worker.phase == "ready"

    @property
    def idle(self) -> bool:
        return self.ready and not self.leases and not self.queue

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a worker that is not there."""
        return self.worker is None and bool(self.queue or self.load_waiters)

    def grantable(self) -> Submission | None:
        """The first in the queue if its credits are free; nobody overtakes it while they are not.

        A request for more sequences than the worker takes at once waits until all are free.
        """
        if not self.queue or self.worker is None or self.worker.ready is None or not self.ready:
            return None
        free = self.worker.ready.credits - sum(self.leases.values())
        return self.queue[0] if self.credits(self.queue[0]) <= free else None

    def credits(self, submission: Submission) -> int:
        """The credits of a ready worker that `submission` occupies."""
        wanted = credits_of(submission.request)
        ready = None if self.worker is None else self.worker.ready
        return wanted if ready is None else min(wanted, ready.credits)

    def fail_waiting(self, error: MlxGuiError) -> None:
        """Answer everybody who waits for this model with `error`."""
        submissions, self.queue = self.queue, deque()
        waiters, self.load_waiters = self.load_waiters, []
        for submission in submissions:
            submission.stop_timer()
            submission.mailbox.put(Failed(error.info()))
        for waiter in waiters:
            reject(waiter.outcome, error)

    def tell_positions(self) -> None:
        """Tell each waiting request its place, if that has changed."""
        for position, submission in enumerate(self.queue, start=1):
            if submission.position != position:
                submission.position = position
                submission.mailbox.put(Queued(position))

    def keep_alive(self, keep_alive_s: float | None) -> None:
        """Remember a wish for the worker that is there; None is no wish."""
        if keep_alive_s is not None:
            self.keep_alive_s = keep_alive_s

    def stop_expiry(self) -> None:
        self.expires_at = None
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None

    def stop_load_timer(self) -> None:
        if self.load_timer is not None:
            self.load_timer.cancel()
            self.load_timer = None

    def state(self) -> ResidentState:
        if self.worker is None:
            if self.queue or self.load_waiters:
                return "queued"
            return "failed" if self.error is not None else "not_loaded"
        match self.worker.phase:
            case "starting" | "loading":
                return "loading"
            case "ready":
                return "busy" if self.leases else "ready"
            case "stopping" | "stopped":
                return "unloading"

    def view(self) -> ResidentView:
        worker = self.worker
        loading = worker is not None and worker.ready is None
        progress = worker.progress if worker is not None and loading else None
        return ResidentView(
            model_id=self.model.id,
            state=self.state(),
            pid=worker.pid if worker is not None else None,
            spec=worker.spec if worker is not None else None,
            need=self.plan.need if self.plan is not None and worker is not None else None,
            memory=worker.memory if worker is not None else None,
            active=len(self.leases),
            queued=len(self.queue),
            loads=self.loads,
            last_used_at=self.last_used_at,
            expires_at=self.expires_at,
            load_progress=progress.done_bytes / max(progress.total_bytes, 1) if progress else None,
            load_stage=progress.stage if progress else None,
            serial_because=worker.ready.serial_because if worker and worker.ready else None,
            keep_alive_s=self.keep_alive_s,
            evictions=self.evictions,
            evicted_because=self.evicted_because,
            error=self.error,
        )


def resolve(future: "asyncio.Future[Any]", value: object) -> None:
    """Set a result, unless whoever waited is gone."""
    if not future.done():
        future.set_result(value)


def reject(future: "asyncio.Future[Any]", error: MlxGuiError) -> None:
    """Set an error, unless whoever waited is gone."""
    if not future.done():
        future.set_exception(error)
