"""The run loop's notes about one model: who asks for it, its load, how long it stays, its end."""

import asyncio
import math
from dataclasses import dataclass, field, replace
from typing import Any

from mlx_gui.control.plans.plan import Plan
from mlx_gui.control.plans.wish import Standing, Wish
from mlx_gui.control.residency.policy import NEVER_S, Resident, Wanted
from mlx_gui.control.residency.queue import FairQueue
from mlx_gui.control.residency.submission import Lease, Submission
from mlx_gui.control.residency.views import (
    Left,
    LoadOutcome,
    ResidentState,
    ResidentView,
    UnloadOutcome,
)
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.control.workers.weighing import MemoryReturned
from mlx_gui.core.errors import ErrorInfo, MlxGuiError
from mlx_gui.core.model import Model

SMALL_FOR_S = 600.0
"""So long after a worker ran out of memory a load of its model takes less."""

NEVER_RAN_OUT_S = -math.inf

FAILURES_UNTIL_REFUSAL = 3

_LOADS_WORTH_A_TURN = 2
"""A turn is no shorter than so many times what its load took, or loading would be all there is."""


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
class LoadNotes:
    """What is known of the loads of one model: the next, the one under way, the last.

    `kept` means that it is loaded without anybody asking, as a pinned one is. `wish` is that of the
    load that the worker came from, and ends with it. Before `not_before_s` a failed worker gets no
    successor; at `ran_out_s` a worker ran out of memory. `span` is when the last load began and
    ended, well or not; NEVER_S while it goes on. `count` are those that ended well.
    """

    waiters: list[LoadWaiter] = field(default_factory=list[LoadWaiter])
    kept: bool = False
    waits_because: str | None = None
    not_before_s: float = 0.0
    wish: Wish = field(default_factory=Wish)
    span: tuple[float, float] | None = None
    took_s: float = 0.0
    count: int = 0
    failures_in_a_row: int = 0
    ran_out_s: float = NEVER_RAN_OUT_S
    timer: asyncio.TimerHandle | None = None

    @property
    def hopeless(self) -> bool:
        """Whether it failed so often that nobody is to wait for another try."""
        return self.failures_in_a_row >= FAILURES_UNTIL_REFUSAL

    def forgive(self) -> None:
        """Forget the failures: somebody wants it tried at once."""
        self.failures_in_a_row, self.not_before_s = 0, 0.0

    def begin(self, wish: Wish) -> None:
        self.wish = wish
        self.span = (loop_time_s(), NEVER_S)

    def end(self) -> None:
        """It is over, well or not."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.span is not None and self.span[1] == NEVER_S:
            self.span = (self.span[0], loop_time_s())


@dataclass(slots=True)
class StayNotes:
    """How long a worker stays: its last use, its turn and its keep-alive.

    `keep_alive_s` is what the latest request that named one wants for this worker; None means the
    setting. The keep-alive is over at `expires_s`.
    """

    ready_since_s: float = 0.0
    last_used_s: float = 0.0
    last_used_at: float | None = None
    keep_alive_s: float | None = None
    expires_at: float | None = None
    expires_s: float = 0.0
    timer: asyncio.TimerHandle | None = None

    def keep_alive(self, keep_alive_s: float | None) -> None:
        """Remember a wish for the worker that is there; None is no wish."""
        if keep_alive_s is not None:
            self.keep_alive_s = keep_alive_s

    def stop_expiry(self) -> None:
        self.expires_at = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(slots=True)
class LeaveNotes:
    """Why and when a worker is to leave, and what became of the last that did.

    `left` is None where it has crashed since. `drained_for` names the model that waits for this one
    to finish its answers; `after_s` is set when somebody asked it to leave once what had come by
    then is done. `removed` says that the model is not installed any more: nothing of it is kept
    once nobody wants it.
    """

    drained_for: str | None = None
    after_s: float | None = None
    because: str = ""
    waiters: list[asyncio.Future[UnloadOutcome]] = field(
        default_factory=list[asyncio.Future[UnloadOutcome]]
    )
    removed: bool = False
    evictions: int = 0
    evicted_because: str | None = None
    left: Left | None = None
    gone_since_s: float = 0.0
    returned: MemoryReturned | None = None

    def when_idle(self, reason: str) -> None:
        """Answer what has come by now, and nothing later."""
        self.after_s, self.because = loop_time_s(), reason


@dataclass(slots=True)
class Entry:
    """One model in the run loop. Nobody else writes here. Times are the event loop's.

    `leases` holds the running requests by their ids.
    """

    model: Model
    standing: Standing
    plan: Plan | None = None
    worker: WorkerProcess | None = None
    queue: FairQueue[Submission] = field(default_factory=FairQueue[Submission])
    leases: dict[str, Lease] = field(default_factory=dict[str, Lease])
    load: LoadNotes = field(default_factory=LoadNotes)
    stay: StayNotes = field(default_factory=StayNotes)
    leave: LeaveNotes = field(default_factory=LeaveNotes)
    error: ErrorInfo | None = None

    @property
    def ready(self) -> bool:
        return self.worker is not None and self.worker.phase == "ready"

    @property
    def loading(self) -> bool:
        return self.worker is not None and self.worker.ready is None and not self.leaving

    @property
    def leaving(self) -> bool:
        return self.worker is not None and self.worker.phase in ("stopping", "stopped")

    @property
    def idle(self) -> bool:
        return self.ready and not self.leases and not self.queue

    @property
    def asked_for(self) -> bool:
        """Whether anybody waits for this model to be ready."""
        return bool(self.queue or self.load.waiters) or self.load.kept

    def wish(self, now_s: float) -> Wish:
        """What the model is to be loaded like now: as who waits longest for a load asked."""
        if self.load.waiters:
            return self.wish_of(self.load.waiters[0])
        if self.worker is not None:
            return self._with_room(self.load.wish)
        small = now_s < self.load.ran_out_s + SMALL_FOR_S
        return self._with_room(Wish(footprint="small" if small else "full"))

    def wish_of(self, waiter: LoadWaiter) -> Wish:
        """The wish of `waiter`, with less memory if the model ran out of it since."""
        small = waiter.since_s <= self.load.ran_out_s
        return self._with_room(replace(waiter.wish, footprint="small") if small else waiter.wish)

    def _with_room(self, wish: Wish) -> Wish:
        """`wish` with room for the prompts that were too long, unless it is of one context."""
        if wish.context_tokens is not None:
            return wish
        held_tokens = 0 if self.worker is None else self.load.wish.room_tokens
        waiting = (submission.room_tokens for submission in self.queue)
        return replace(wish, room_tokens=max(wish.room_tokens, held_tokens, *waiting, 0))

    def wanted(self, now_s: float) -> bool:
        """Whether a worker that is not there is to be started."""
        return self.worker is None and self.asked_for and now_s >= self.load.not_before_s

    def grantable(self, now_s: float) -> Submission | None:
        """Who is next if its credits are free; nobody overtakes it while they are not.

        A request for more sequences than the worker takes at once waits until all are free.
        """
        if not self.queue or not self.ready or self.leave.drained_for is not None:
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

    def done_before_leaving(self) -> bool:
        """Whether what it was still to answer before it leaves has been answered."""
        if self.leave.after_s is None or self.leases:
            return False
        return not any(map(self._answers, self.queue))

    def _answers(self, submission: Submission) -> bool:
        """Whether the worker that is there is to answer it, and not its successor."""
        return self.leave.after_s is None or submission.enqueued_s <= self.leave.after_s

    def as_wanted(self, plan: Plan) -> Wanted:
        """This model as the policy sees it while it has no worker."""
        since = [self.queue.oldest_s(), *(waiter.since_s for waiter in self.load.waiters)]
        asked_s = min((each for each in since if each is not None), default=0.0)
        urgent = self.queue.highest_priority()
        return Wanted(
            self.model.id,
            plan.need,
            priority=self.standing.priority + urgent,
            since_s=max(asked_s, self.leave.gone_since_s),
            modest=not (self.queue or self.load.waiters or self.standing.pinned),
        )

    def as_resident(self, turn_s: float) -> Resident:
        """This model as the policy sees it while it has a worker; a load counts at its worst."""
        assert self.plan is not None, "a worker has a plan"
        assert self.worker is not None, "what is resident has a worker"
        need = self.plan.need
        loading = self.worker.ready is None
        turn_s = max(turn_s, _LOADS_WORTH_A_TURN * self.load.took_s)
        return Resident(
            self.model.id,
            max(need.total_bytes, need.load_peak_bytes) if loading else need.total_bytes,
            "leaving" if self.leaving else "loading" if loading else "ready",
            leases=len(self.leases),
            queued=len(self.queue),
            pinned=self.standing.pinned,
            priority=self.standing.priority,
            last_used_s=self.stay.last_used_s,
            turn_ends_s=NEVER_S if loading else self.stay.ready_since_s + turn_s,
        )

    def fail_loads(self, wish: Wish, error: MlxGuiError) -> None:
        """Answer those who wait for a load with this wish, and nobody else."""
        failed = [each for each in self.load.waiters if self.wish_of(each) == wish]
        self.load.waiters = [each for each in self.load.waiters if each not in failed]
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
        waiters, self.load.waiters = self.load.waiters, []
        self.load.kept = False
        for submission in self.queue.clear():
            submission.fail(error.info())
        for waiter in waiters:
            reject(waiter.outcome, error)

    def state(self) -> ResidentState:
        if self.worker is None:
            if self.queue or self.load.waiters:
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
            loads=self.load.count,
            last_used_at=self.stay.last_used_at,
            expires_at=self.stay.expires_at,
            load_progress=progress.done_bytes / max(progress.total_bytes, 1) if progress else None,
            load_stage=progress.stage if progress else None,
            serial_because=worker.ready.loaded.serial_because if worker and worker.ready else None,
            keep_alive_s=self.stay.keep_alive_s,
            error=self.error,
            pinned=self.standing.pinned,
            priority=self.standing.priority,
            evictions=self.leave.evictions,
            evicted_because=self.leave.evicted_because,
            left=self.leave.left,
            returned=self.leave.returned,
            waits_because=self.load.waits_because if self.worker is None else None,
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
