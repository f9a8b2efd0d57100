"""The run loop's notes about one model."""

import asyncio
import math
from dataclasses import dataclass, field, replace
from typing import Any

from mlx_gui.control.plans.plan import Plan
from mlx_gui.control.plans.wish import Standing, Wish
from mlx_gui.control.requests.observing import RequestObserver
from mlx_gui.control.residency.policy import NEVER_S, Resident, Wanted
from mlx_gui.control.residency.queue import FairQueue
from mlx_gui.control.residency.views import LoadOutcome, ResidentState, ResidentView, UnloadOutcome
from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.control.workers.weighing import MemoryReturned
from mlx_gui.core.ask import Ask, RequestEnd, end_of
from mlx_gui.core.errors import ErrorInfo, MlxGuiError
from mlx_gui.core.generation import Failed, Queued
from mlx_gui.core.model import Model

SMALL_FOR_S = 600.0
"""So long after a worker ran out of memory a load of its model takes less."""

NEVER_RAN_OUT_S = -math.inf

_LOADS_WORTH_A_TURN = 2
"""A turn is no shorter than so many times what its load took, or loading would be all there is."""


@dataclass(slots=True)
class Submission:
    """A request on its way to a worker, until its end.

    `returned` says that its worker died and another is to answer it. One whose prompt was
    `too_long` waits for a context of `room_tokens`. `cancelled` is what its reader was told when
    somebody ended it, and `ended` says that its end has been told.
    """

    ask: Ask
    model: Model
    mailbox: Mailbox
    observer: RequestObserver
    enqueued_s: float
    keep_alive_s: float | None = None
    position: int = 0
    returned: bool = False
    cancelled: ErrorInfo | None = None
    ended: bool = False
    too_long: ErrorInfo | None = None
    room_tokens: int = 0
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def fail(self, error: ErrorInfo, *, given_up: bool = False) -> None:
        """Answer with `error`, which is its end; nobody reads it if it was given up."""
        last = Failed(error)
        self.mailbox.put(last)
        self.end(end_of(last, given_up=given_up))

    def end(self, end: RequestEnd) -> None:
        """Tell its end, unless that was done."""
        self.stop_timer()
        if not self.ended:
            self.ended = True
            if self.cancelled is not None:
                end = replace(end, outcome="cancelled", error=self.cancelled)
            self.observer.ended(self.ask, end)


@dataclass(slots=True)
class Lease:
    """The hold of a request on a worker. `given_up` says that nobody reads its answer any more."""

    submission: Submission
    given_up: bool = False

    @property
    def ask(self) -> Ask:
        return self.submission.ask


@dataclass(frozen=True, slots=True)
class LoadWaiter:
    """Somebody who waits for a load, what it is to be like, and how long the model stays after it.

    The wish is nobody else's before that load begins, and goes with whoever has it.
    """

    outcome: asyncio.Future[LoadOutcome]
    since_s: float
    wish: Wish = field(default_factory=Wish)
    keep_alive_s: float | None = None


@dataclass(slots=True)
class Entry:
    """One model in the run loop. Nobody else writes here. Times are the event loop's.

    `leases` holds the running requests by their ids. `keep_alive_s` is what the latest
    request that named one wants for this worker; None means the setting. `drained_for` names the
    model that waits for this one to finish its answers; `leaves_after_s` is set when somebody asked
    it to leave once what had come by then is done. `kept` means that it is loaded without anybody
    asking, as a pinned one is. Before `not_before_s` a failed worker gets no successor.
    `loaded_wish` is that of the load that the worker came from, and ends with it. At `ran_out_s` a
    worker ran out of memory.
    """

    model: Model
    standing: Standing
    loaded_wish: Wish = field(default_factory=Wish)
    ran_out_s: float = NEVER_RAN_OUT_S
    plan: Plan | None = None
    worker: WorkerProcess | None = None
    queue: FairQueue[Submission] = field(default_factory=FairQueue[Submission])
    leases: dict[str, Lease] = field(default_factory=dict[str, Lease])
    load_waiters: list[LoadWaiter] = field(default_factory=list[LoadWaiter])
    unload_waiters: list[asyncio.Future[UnloadOutcome]] = field(
        default_factory=list[asyncio.Future[UnloadOutcome]]
    )
    kept: bool = False
    removed: bool = False
    """It is not installed any more; nothing of it is kept once nobody wants it."""
    drained_for: str | None = None
    leaves_after_s: float | None = None
    leaves_because: str = ""
    not_before_s: float = 0.0
    without_worker_since_s: float = 0.0
    ready_since_s: float = 0.0
    load_s: float = 0.0
    loads: int = 0
    evictions: int = 0
    evicted_because: str | None = None
    returned: MemoryReturned | None = None
    waits_because: str | None = None
    failures_in_a_row: int = 0
    error: ErrorInfo | None = None
    last_used_s: float = 0.0
    last_used_at: float | None = None
    keep_alive_s: float | None = None
    expires_at: float | None = None
    expires_s: float = 0.0
    expiry: asyncio.TimerHandle | None = None
    load_timer: asyncio.TimerHandle | None = None
    load_span: tuple[float, float] | None = None
    """When the last load began and ended, well or not; NEVER_S while it goes on."""

    @property
    def ready(self) -> bool:
        return self.worker is not None and self.worker.phase == "ready"

    @property
    def leaving(self) -> bool:
        return self.worker is not None and self.worker.phase in ("stopping", "stopped")

    @property
    def idle(self) -> bool:
        return self.ready and not self.leases and not self.queue

    @property
    def asked_for(self) -> bool:
        """Whether anybody waits for this model to be ready."""
        return bool(self.queue or self.load_waiters) or self.kept

    def wish(self, now_s: float) -> Wish:
        """What the model is to be loaded like now: as who waits longest for a load asked."""
        if self.load_waiters:
            return self.wish_of(self.load_waiters[0])
        if self.worker is not None:
            return self._with_room(self.loaded_wish)
        small = now_s < self.ran_out_s + SMALL_FOR_S
        return self._with_room(Wish(footprint="small" if small else "full"))

    def wish_of(self, waiter: LoadWaiter) -> Wish:
        """The wish of `waiter`, with less memory if the model ran out of it since."""
        small = waiter.since_s <= self.ran_out_s
        return self._with_room(replace(waiter.wish, footprint="small") if small else waiter.wish)

    def _with_room(self, wish: Wish) -> Wish:
        """`wish` with room for the prompts that were too long, unless it is of one context."""
        if wish.context_tokens is not None:
            return wish
        held_tokens = 0 if self.worker is None else self.loaded_wish.room_tokens
        waiting = (submission.room_tokens for submission in self.queue)
        return replace(wish, room_tokens=max(held_tokens, *waiting, 0))

    def wanted(self, now_s: float) -> bool:
        """Whether a worker that is not there is to be started."""
        return self.worker is None and self.asked_for and now_s >= self.not_before_s

    def grantable(self, now_s: float) -> Submission | None:
        """Who is next if its credits are free; nobody overtakes it while they are not.

        A request for more sequences than the worker takes at once waits until all are free.
        """
        if not self.queue or not self.ready or self.drained_for is not None:
            return None
        # Whoever came after it was asked to leave must not stand in the way of those before.
        first = next((s for s in self.queue.in_order(now_s) if self._answers(s)), None)
        if first is None or self.worker is None or self.worker.ready is None:
            return None
        free = self.worker.ready.credits - sum(self.credits(each) for each in self.leases.values())
        return first if self.credits(first) <= free else None

    def credits(self, holder: Submission | Lease) -> int:
        """The credits of a ready worker that it occupies."""
        wanted = holder.ask.credits
        ready = None if self.worker is None else self.worker.ready
        return wanted if ready is None else min(wanted, ready.credits)

    def leave_when_idle(self, reason: str) -> None:
        """Answer what has come by now, and nothing later."""
        self.leaves_after_s, self.leaves_because = loop_time_s(), reason

    def done_before_leaving(self) -> bool:
        """Whether what it was still to answer before it leaves has been answered."""
        if self.leaves_after_s is None or self.leases:
            return False
        return not any(map(self._answers, self.queue))

    def _answers(self, submission: Submission) -> bool:
        """Whether the worker that is there is to answer it, and not its successor."""
        return self.leaves_after_s is None or submission.enqueued_s <= self.leaves_after_s

    def as_wanted(self, plan: Plan) -> Wanted:
        """This model as the policy sees it while it has no worker."""
        since = [self.queue.oldest_s(), *(waiter.since_s for waiter in self.load_waiters)]
        asked_s = min((each for each in since if each is not None), default=0.0)
        urgent = self.queue.highest_priority()
        return Wanted(
            self.model.id,
            plan.need,
            priority=self.standing.priority + urgent,
            since_s=max(asked_s, self.without_worker_since_s),
            modest=not (self.queue or self.load_waiters or self.standing.pinned),
        )

    def as_resident(self, turn_s: float) -> Resident:
        """This model as the policy sees it while it has a worker; a load counts at its worst."""
        assert self.plan is not None, "a worker has a plan"
        assert self.worker is not None, "what is resident has a worker"
        need = self.plan.need
        loading = self.worker.ready is None
        turn_s = max(turn_s, _LOADS_WORTH_A_TURN * self.load_s)
        return Resident(
            self.model.id,
            max(need.total_bytes, need.load_peak_bytes) if loading else need.total_bytes,
            "leaving" if self.leaving else "loading" if loading else "ready",
            leases=len(self.leases),
            queued=len(self.queue),
            pinned=self.standing.pinned,
            priority=self.standing.priority,
            last_used_s=self.last_used_s,
            turn_ends_s=NEVER_S if loading else self.ready_since_s + turn_s,
        )

    def fail_loads(self, wish: Wish, error: MlxGuiError) -> None:
        """Answer those who wait for a load with this wish, and nobody else."""
        failed = [each for each in self.load_waiters if self.wish_of(each) == wish]
        self.load_waiters = [each for each in self.load_waiters if each not in failed]
        for waiter in failed:
            reject(waiter.outcome, error)

    def fail_long(self) -> None:
        """Answer those whose prompts were too long with that, and nobody else."""
        for submission in [each for each in self.queue if each.too_long is not None]:
            assert submission.too_long is not None, "only those were chosen"
            self.queue.remove(submission)
            submission.fail(submission.too_long)

    def fail_waiting(self, error: MlxGuiError) -> None:
        """Answer everybody who waits for this model with `error`."""
        waiters, self.load_waiters = self.load_waiters, []
        self.kept = False
        for submission in self.queue.clear():
            submission.fail(error.info())
        for waiter in waiters:
            reject(waiter.outcome, error)

    def tell_positions(self, now_s: float) -> None:
        """Tell each waiting request its place, if that has changed."""
        if not self.queue.changed:
            return
        self.queue.changed = False
        for position, submission in enumerate(self.queue.in_order(now_s), start=1):
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

    def end_load(self) -> None:
        if self.load_span is not None and self.load_span[1] == NEVER_S:
            self.load_span = (self.load_span[0], loop_time_s())

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
            serial_because=worker.ready.loaded.serial_because if worker and worker.ready else None,
            keep_alive_s=self.keep_alive_s,
            error=self.error,
            pinned=self.standing.pinned,
            priority=self.standing.priority,
            evictions=self.evictions,
            evicted_because=self.evicted_because,
            returned=self.returned,
            waits_because=self.waits_because if self.worker is None else None,
        )


def resolve(future: "asyncio.Future[Any]", value: object) -> None:
    """Set a result, unless whoever waited is gone."""
    if not future.done():
        future.set_result(value)


def reject(future: "asyncio.Future[Any]", error: MlxGuiError) -> None:
    """Set an error, unless whoever waited is gone."""
    if not future.done():
        future.set_exception(error)


def loop_time_s() -> float:
    """The event loop's time, in which all waits are measured."""
    return asyncio.get_running_loop().time()
