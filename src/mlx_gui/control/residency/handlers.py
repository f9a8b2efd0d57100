"""What each event of the run loop does to the models: one method an event, one event at a time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from mlx_gui.bus import EventBus
from mlx_gui.control.machine.reading import Pressure
from mlx_gui.control.plans.explain import check_token
from mlx_gui.control.plans.wish import Wish
from mlx_gui.control.residency.effects import ResidencySettings
from mlx_gui.control.residency.model_entry import (
    NEVER_RAN_OUT_S,
    Entry,
    LoadWaiter,
    Submission,
    loop_time_s,
    reject,
    resolve,
)
from mlx_gui.control.residency.models import FAILURES_UNTIL_REFUSAL, Residents
from mlx_gui.control.residency.prompt_room import make_room
from mlx_gui.control.residency.relief import RELIEF_INTERVAL_S, recover, relieve, shed
from mlx_gui.control.residency.views import LoadOutcome, UnloadOutcome
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.core.ask import end_of
from mlx_gui.core.capabilities import check_capability
from mlx_gui.core.errors import (
    Cancelled,
    Conflict,
    ContextTooLong,
    ErrorInfo,
    MlxGuiError,
    ModelNotFound,
    QueueFull,
    QueueTimeout,
    RequestCancelled,
    ShuttingDown,
    WorkerFailed,
    WorkerOutOfMemory,
)
from mlx_gui.core.generation import Failed, Loading, Usage
from mlx_gui.core.model import Model
from mlx_gui.core.plan import LoadPlan
from mlx_gui.core.settings import ModelSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Handlers:
    """Belongs to the run loop, which calls one method after the other.

    What a method raises is the answer to whoever posted the event.
    """

    def __init__(
        self,
        settings: Callable[[], ResidencySettings],
        residents: Residents,
        *,
        bus: EventBus,
        post: Callable[..., None],
    ) -> None:
        self._settings = settings
        self._residents = residents
        self._bus = bus
        self._post = post
        self._relief: asyncio.TimerHandle | None = None
        self._unloads: dict[WorkerProcess, list[asyncio.Future[UnloadOutcome]]] = {}
        """Who waits to hear what came back, by the worker that has ended."""

    def on_submit(self, submission: Submission) -> None:
        try:
            self._accept(submission)
        except MlxGuiError as error:
            # Not by whoever submitted it: that one may be gone by now.
            submission.fail(error.info())
            raise

    def _accept(self, submission: Submission) -> None:
        """Put it into its queue. Raises what waiting would not mend."""
        self._refuse_when_stopping()
        check_capability(submission.model, submission.ask.needs)
        entry = self._residents.entry(submission.model)
        self._residents.refuse_hopeless(entry)
        if entry.queue.full_for(submission.ask.tenant, self._settings().max_queue):
            raise QueueFull(
                f"{len(entry.queue)} requests wait for {entry.model.id} already.",
                hint="Try again later, or raise max_queue.",
                retry_after_s=5,
            )
        self._bound_wait(submission)
        entry.queue.push(submission)
        self._residents.touch(entry)

    def on_abandon(self, answer_id: str) -> None:
        for entry in self._residents.entries.values():
            if (lease := entry.leases.get(answer_id)) is not None:
                lease.given_up = True
                if entry.worker is not None:
                    entry.worker.cancel(answer_id)
                return
            if (submission := entry.queue.find(answer_id)) is not None:
                self._leave_queue(entry, submission)
                submission.fail(Cancelled("The request was cancelled.").info())
                return

    def on_cancel(self, answer_id: str) -> None:
        """As `on_abandon`, with a word to whoever reads it."""
        for entry in self._residents.entries.values():
            lease = entry.leases.get(answer_id)
            submission = entry.queue.find(answer_id) if lease is None else lease.submission
            if submission is not None:
                error = RequestCancelled("Somebody who may has cancelled this request.")
                submission.cancelled = error.info()
                submission.mailbox.put(Failed(submission.cancelled))
                self.on_abandon(answer_id)
                return
        raise Conflict(f"The request {answer_id} has ended, or has not begun to wait yet.")

    def on_plan(
        self,
        model: Model,
        wish: Wish,
        settings: ModelSettings | None,
        planned: asyncio.Future[LoadPlan],
    ) -> None:
        resolve(planned, self._residents.load_plan(model, wish, settings))

    def on_load(
        self,
        model: Model,
        waiter: LoadWaiter,
        plan_token: str | None,
    ) -> None:
        self._refuse_when_stopping()
        if plan_token is not None:
            check_token(plan_token, self._residents.load_plan(model, waiter.wish))
        entry = self._residents.entry(model)
        entry.failures_in_a_row, entry.not_before_s = 0, 0.0
        entry.error = None
        wish = entry.wish_of(waiter)
        if entry.ready and self._residents.answers_wish(entry, wish):
            entry.loaded_wish = wish
            entry.keep_alive(waiter.keep_alive_s)
            self._residents.touch(entry)
            resolve(waiter.outcome, LoadOutcome(already_loaded=True, duration_ms=0))
            return
        entry.load_waiters.append(waiter)
        timer = asyncio.get_running_loop().call_later(
            self._settings().queue_timeout_s, self._post, self._on_load_wait_over, entry, waiter
        )
        waiter.outcome.add_done_callback(lambda _: timer.cancel())
        self._residents.changed(entry)

    def on_load_abandoned(self, model: Model, waiter: LoadWaiter) -> None:
        entry = self._residents.entries.get(model.id)
        if entry is not None and waiter in entry.load_waiters:
            wish = entry.wish_of(waiter)
            entry.load_waiters.remove(waiter)
            self._residents.stop_unasked_load(entry)
            self._withdraw(entry, wish)
            self._residents.changed(entry)

    def _withdraw(self, entry: Entry, wish: Wish) -> None:
        """Whoever wanted `wish` is gone; others who wait for the load under way get theirs."""
        loading = entry.worker is not None and entry.worker.ready is None and not entry.leaving
        shared = any(entry.wish_of(each) == wish for each in entry.load_waiters)
        if loading and entry.loaded_wish == wish and not shared:
            entry.loaded_wish = replace(wish, context_tokens=None)
            if self._residents.outdated(entry):
                reason = "whoever asked for this context is gone"
                self._residents.stop_worker(entry, "reload", reason)

    def on_preload(self, models: tuple[Model, ...]) -> None:
        if not self._residents.stopping:
            for model in models:
                entry = self._residents.entry(model)
                entry.kept = entry.worker is None
                self._residents.changed(entry)

    def on_keep(self, model: Model, keep_alive_s: float) -> None:
        entry = self._residents.entry(model)
        if entry.worker is not None:
            entry.keep_alive(keep_alive_s)
            self._residents.touch(entry)

    def on_settings_changed(self) -> None:
        self._residents.stand_anew()
        shed(self._residents)

    def on_removed(self, model_ids: tuple[str, ...]) -> None:
        for model_id in model_ids:
            self._residents.forget(model_id)

    def on_pressure(self, level: Pressure) -> None:
        if self._relief is not None:
            self._relief.cancel()
            self._relief = None
        self._residents.pressure = level
        self._residents.reconsider_spare()
        if level != "normal":
            relieve(self._residents, level)
            self._relief = asyncio.get_running_loop().call_later(
                RELIEF_INTERVAL_S, self._post, self.on_pressure, level
            )
        self._bus.publish("memory")

    def on_unload(
        self, model: Model, force: bool, when_idle: bool, waiter: asyncio.Future[UnloadOutcome]
    ) -> None:
        entry = self._residents.entry(model)
        asked_for = entry.asked_for
        waiting = len(entry.leases) + len(entry.queue)
        if waiting and not (force or when_idle):
            raise Conflict(
                f"{model.id} has {waiting} requests under way.",
                hint="Unload it when they have finished, or with force=true to end them.",
                details={"active": len(entry.leases), "queued": len(entry.queue)},
            )
        entry.kept, entry.ran_out_s = False, NEVER_RAN_OUT_S
        if entry.worker is None and (not asked_for or (waiting and when_idle)):
            entry.error = None
            entry.failures_in_a_row, entry.not_before_s = 0, 0.0
            resolve(waiter, UnloadOutcome(was_loaded=False))
            self._residents.changed(entry)
            return
        if waiting and when_idle:
            entry.unload_waiters.append(waiter)
            entry.leave_when_idle("asked to leave when it has finished")
            return
        entry.fail_waiting(Conflict(f"{model.id} was unloaded meanwhile."))
        if entry.worker is None:
            resolve(waiter, UnloadOutcome(was_loaded=False))
            self._residents.changed(entry)
            return
        entry.unload_waiters.append(waiter)
        self._residents.stop_worker(entry, "unload", "somebody asked for it")

    def _bound_wait(self, submission: Submission) -> None:
        """Let `submission` wait for so long, from now on."""
        submission.timer = asyncio.get_running_loop().call_later(
            self._settings().queue_timeout_s, self._post, self._on_queue_timeout, submission
        )

    def _on_queue_timeout(self, submission: Submission) -> None:
        entry = self._residents.entries.get(submission.model.id)
        if entry is None or submission not in entry.queue:
            return
        error = self._waited_too_long("request", entry)
        self._leave_queue(entry, submission)
        submission.fail(error.info())

    def _on_load_wait_over(self, entry: Entry, waiter: LoadWaiter) -> None:
        """A load that has begun by now is bounded by its own limit."""
        begun = entry.worker is not None and entry.worker.ready is None and not entry.leaving
        if begun or waiter not in entry.load_waiters:
            return
        error = self._waited_too_long("load", entry)
        entry.load_waiters.remove(waiter)
        entry.error = error.info()
        reject(waiter.outcome, error)
        self._residents.changed(entry)

    def _waited_too_long(self, what: str, entry: Entry) -> QueueTimeout:
        waited_s = self._settings().queue_timeout_s
        why = f" It waited because {entry.waits_because}." if entry.waits_because else ""
        return QueueTimeout(
            f"The {what} waited {waited_s:g} s for {entry.model.id}.{why}",
            hint="Other models or requests kept the machine busy; try again later.",
            retry_after_s=5,
        )

    def on_progress(self, worker: WorkerProcess) -> None:
        entry = self._residents.entry_of(worker)
        if entry is None or worker.progress is None:
            return
        view = entry.view()
        for submission in entry.queue:
            submission.mailbox.put(Loading(view.load_progress or 0, view.load_stage or ""))
        self._residents.changed(entry)

    def on_ready(self, worker: WorkerProcess) -> None:
        entry = self._residents.entry_of(worker)
        if entry is None or worker.ready is None:
            return
        entry.stop_load_timer()
        entry.end_load()
        entry.loads += 1
        entry.error = None
        entry.kept = False
        entry.ready_since_s, entry.load_s = loop_time_s(), worker.ready.load_ms / 1000
        log.info("model_loaded", model=entry.model.id, load_ms=round(worker.ready.load_ms))
        self._residents.note_ready(worker)
        if entry.loaded_wish.footprint == "full":
            entry.ran_out_s = NEVER_RAN_OUT_S
        waiters, entry.load_waiters = entry.load_waiters, []
        for waiter in waiters:
            wish = entry.wish_of(waiter)
            if wish != entry.loaded_wish and not self._residents.answers_wish(entry, wish):
                # It came while another context was being loaded, and is to be loaded next.
                entry.load_waiters.append(waiter)
                continue
            entry.keep_alive(waiter.keep_alive_s)
            outcome = LoadOutcome(already_loaded=False, duration_ms=worker.ready.load_ms)
            resolve(waiter.outcome, outcome)
        self._residents.touch(entry)
        self._bus.publish("memory")

    def on_request_ended(self, worker: WorkerProcess, answer_id: str, last: Usage | Failed) -> None:
        entry = self._residents.entry_of(worker)
        if entry is None:
            return
        if (lease := entry.leases.pop(answer_id, None)) is not None:
            lease.submission.end(end_of(last, given_up=lease.given_up))
        if isinstance(last, Usage):
            entry.failures_in_a_row = 0
        if not entry.leases:
            worker.measure()
        self._residents.touch(entry)
        self._residents.when_idle(entry)

    def on_request_returned(self, worker: WorkerProcess, answer_id: str, error: ErrorInfo) -> None:
        """Nothing of it was answered, so that another worker may take it, once for each reason."""
        entry = self._residents.entry_of(worker)
        lease = None if entry is None else entry.leases.pop(answer_id, None)
        if entry is None or lease is None:
            return
        submission = lease.submission
        hopeless = lease.given_up or self._residents.stopping
        if hopeless or not self._may_try_again(entry, submission, error):
            submission.fail(error, given_up=lease.given_up)
        else:
            self._bound_wait(submission)
            entry.queue.put_back(submission)
            log.info(
                "request_returned",
                request_id=submission.ask.request_id,
                answer_id=answer_id,
                model=entry.model.id,
                code=error.code,
            )
        self._residents.touch(entry)
        self._residents.when_idle(entry)

    def _may_try_again(self, entry: Entry, submission: Submission, error: ErrorInfo) -> bool:
        if error.code == ContextTooLong.code:
            return make_room(self._residents, entry, submission, too_long=error)
        tried, submission.returned = submission.returned, True
        return not tried

    def on_worker_exited(self, worker: WorkerProcess, error: MlxGuiError | None) -> None:
        entry = self._residents.entry_of(worker)
        if entry is None:
            return
        entry.stop_load_timer()
        entry.end_load()
        entry.stop_expiry()
        entry.worker = None
        entry.keep_alive_s = None
        entry.drained_for = entry.leaves_after_s = None
        self._residents.note_exit(entry)
        self._end_leases(entry, error)
        if error is not None:
            self._on_failure(entry, worker, error)
        else:
            log.info("model_unloaded", model=entry.model.id)
        entry.loaded_wish = Wish()
        self._unloads[worker], entry.unload_waiters = entry.unload_waiters, []
        self._residents.changed(entry)
        self._bus.publish("memory")

    def _end_leases(self, entry: Entry, error: MlxGuiError | None) -> None:
        """The worker has told how its requests ended, unless a fault of ours kept it from that."""
        error = error or WorkerFailed(f"The worker of {entry.model.id} has ended.")
        for lease in entry.leases.values():
            lease.submission.fail(error.info(), given_up=lease.given_up)
        entry.leases.clear()

    def on_worker_weighed(self, worker: WorkerProcess) -> None:
        """What came back of an ended worker is known, or never will be."""
        if worker.returned is not None:
            log.info(
                "memory_returned",
                model=worker.spec.model_id,
                held_bytes=worker.returned.held_bytes,
                returned_bytes=worker.returned.returned_bytes,
            )
            entry = self._residents.entries.get(worker.spec.model_id)
            if entry is not None:
                entry.returned = worker.returned
                self._residents.changed(entry)
        for waiter in self._unloads.pop(worker, ()):
            resolve(waiter, UnloadOutcome(was_loaded=True, returned=worker.returned))
        self._bus.publish("memory")

    def _on_failure(self, entry: Entry, worker: WorkerProcess, error: MlxGuiError) -> None:
        tail = worker.exit.output_tail[-12:] if worker.exit is not None else ()
        log.error("worker_failed", model=entry.model.id, reason=error.message, output=list(tail))
        entry.failures_in_a_row += 1
        entry.error = error.info()
        self._residents.back_off(entry)
        if isinstance(error, ModelNotFound):
            self._residents.note_missing()
        # What loads badly will do so again; a process that was killed says nothing of its model.
        hopeless = not isinstance(error, WorkerFailed)
        hopeless |= entry.failures_in_a_row >= FAILURES_UNTIL_REFUSAL
        if isinstance(error, WorkerOutOfMemory):
            hopeless = not recover(self._residents, entry)
        if hopeless:
            entry.fail_waiting(error)
        elif entry.standing.pinned and not self._residents.stopping:
            entry.kept = True

    def on_shutdown(self) -> None:
        self._residents.stopping = True
        self._residents.reconsider_spare()
        self._bus.publish("manager")
        for entry in self._residents.entries.values():
            entry.stop_expiry()
            entry.fail_waiting(ShuttingDown("The server is stopping.", retry_after_s=5))

    def _leave_queue(self, entry: Entry, submission: Submission) -> None:
        entry.queue.remove(submission)
        submission.stop_timer()
        self._residents.stop_unasked_load(entry)
        self._residents.changed(entry)

    def _refuse_when_stopping(self) -> None:
        if self._residents.stopping:
            raise ShuttingDown("The server is stopping.", retry_after_s=5)
