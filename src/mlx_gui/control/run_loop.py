"""The one owner of residency: which models are resident, who waits, who holds a lease.

One task handles one event after the other; callers and workers only post events. After each event
`Residents.advance` brings reality nearer to what is wanted: it grants credits to the queues, starts
loads and asks idle models to leave.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from mlx_gui.control.bus import EventBus
from mlx_gui.control.entry import (
    LoadOutcome,
    LoadWaiter,
    QueuedView,
    ResidencySnapshot,
    Submission,
    UnloadOutcome,
    reject,
    resolve,
)
from mlx_gui.control.mailbox import Mailbox
from mlx_gui.control.planning import Plan
from mlx_gui.control.residents import FAILURES_UNTIL_REFUSAL, ResidencySettings, Residents
from mlx_gui.control.worker_process import WorkerObserver, WorkerProcess
from mlx_gui.core.errors import (
    Conflict,
    InternalError,
    MlxGuiError,
    NotReady,
    QueueFull,
    QueueTimeout,
    ShuttingDown,
)
from mlx_gui.core.generation import Failed, Loading, WorkerRequest
from mlx_gui.core.model import LoadSpec, Model
from mlx_gui.core.plan import LoadPlan, PolicyDecision
from mlx_gui.ipc.messages import Pong

log = structlog.get_logger(__name__)


class RunLoop:
    """See the module. `plan` and `start_worker` are its only effects besides the clock."""

    def __init__(
        self,
        settings: ResidencySettings,
        *,
        plan: Callable[[Model], Plan],
        budget_bytes: Callable[[], int],
        start_worker: Callable[[LoadSpec, WorkerObserver], WorkerProcess],
        bus: EventBus,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._residents = Residents(
            settings,
            plan=plan,
            budget_bytes=budget_bytes,
            start_worker=lambda spec: start_worker(spec, self),
            bus=bus,
            post=self._post,
        )
        self._inbox: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        self._drained = asyncio.Event()

    # --- what others ask for -------------------------------------------------------------------

    async def submit(
        self,
        request_id: str,
        model: Model,
        request: WorkerRequest,
        *,
        keep_alive_s: float | None = None,
    ) -> Mailbox:
        """The mailbox in which the request's events will arrive.

        From its lease on the model stays loaded for `keep_alive_s` after each use, in place of the
        setting, until another request names another time or the worker ends. Less than 0 is for
        ever, None no wish.
        Raises ModelUnsupported, QueueFull, LoadFailed, InsufficientMemory or ShuttingDown when the
        request is refused at once.
        """
        mailbox = Mailbox(
            stall_s=self._settings.client_stall_s, on_stall=partial(self.abandon, request_id)
        )
        now_s = asyncio.get_running_loop().time()
        submission = Submission(request_id, model, request, mailbox, now_s, keep_alive_s)
        await self._ask(self._on_submit, submission)
        return mailbox

    def abandon(self, request_id: str) -> None:
        """Nobody reads this request's events any more."""
        self._post(self._on_abandon, request_id)

    async def plan(self, model: Model, *, context_tokens: int | None = None) -> LoadPlan:
        """What loading `model` would do now. Raises ModelUnsupported, never for memory."""
        return self._residents.load_plan(model, context_tokens)

    def decisions(self, model_id: str | None = None) -> tuple[PolicyDecision, ...]:
        """The latest decisions of the policy, of one model or of all, newest first."""
        return tuple(
            each
            for each in reversed(self._residents.decisions)
            if model_id in (None, each.subject, each.cause)
        )

    async def load(
        self,
        model: Model,
        *,
        keep_alive_s: float | None = None,
        context_tokens: int | None = None,
        plan_token: str | None = None,
    ) -> LoadOutcome:
        """Make `model` resident as its settings say now, joining a load under way.

        Raises what prevents it. `keep_alive_s` is as for `submit`.
        """
        waiter = LoadWaiter(asyncio.get_running_loop().create_future(), keep_alive_s)
        await self._ask(self._on_load, model, waiter, context_tokens, plan_token)
        return await waiter.outcome

    async def keep(self, model: Model, keep_alive_s: float) -> None:
        """Let the worker of `model`, if it has one, stay so long after each use, the last included.

        With 0 it ends as soon as it has no more to do.
        """
        await self._ask(self._on_keep, model, keep_alive_s)

    async def unload(
        self, model: Model, *, force: bool = False, when_idle: bool = False
    ) -> UnloadOutcome:
        """End the model's worker. Raises Conflict while it answers, unless forced."""
        waiter: asyncio.Future[UnloadOutcome] = asyncio.get_running_loop().create_future()
        await self._ask(self._on_unload, model, force, when_idle, waiter)
        return await waiter

    async def ping(self, model_id: str, timeout_s: float) -> Pong:
        """What the model's MLX thread answers. Raises NotReady or WorkerFailed."""
        entry = self._residents.entries.get(model_id)
        if entry is None or entry.worker is None or not entry.ready:
            raise NotReady(f"{model_id} is not loaded.", hint="Load it, or send it a request.")
        return await entry.worker.ping(timeout_s)

    def reload_pending(self, model: Model) -> bool:
        """Whether the next request for `model` loads it anew; to be shown."""
        entry = self._residents.entries.get(model.id)
        return entry is not None and self._residents.outdated(entry)

    def snapshot(self) -> ResidencySnapshot:
        """What is true now, to be shown."""
        now_s = asyncio.get_running_loop().time()
        queue = tuple(
            QueuedView(s.request_id, entry.model.id, s.position, now_s - s.enqueued_s)
            for entry in self._residents.entries.values()
            for s in entry.queue
        )
        models = {model_id: entry.view() for model_id, entry in self._residents.entries.items()}
        return ResidencySnapshot(models, queue, self._residents.stopping)

    async def run(self) -> None:
        """Handle events until cancelled."""
        while True:
            handle = await self._inbox.get()
            try:
                handle()
                self._residents.advance()
                self._notice_drained()
            except Exception:
                log.exception("run_loop_event_failed")
                self._residents.fail_stuck()

    async def shutdown(self, grace_s: float) -> None:
        """Refuse what is new, let running answers finish within `grace_s`, end every worker."""
        self._post(self._on_shutdown)
        try:
            await asyncio.wait_for(self._drained.wait(), grace_s)
        except TimeoutError:
            log.warning("answers_cut_off", grace_s=grace_s)
        workers = [
            entry.worker for entry in self._residents.entries.values() if entry.worker is not None
        ]
        for entry in self._residents.entries.values():
            self._residents.stop_worker(entry, "the server stops")
        await asyncio.gather(*(worker.wait() for worker in workers))

    # --- WorkerObserver: called by workers, posts only ------------------------------------------

    def worker_progressed(self, worker: WorkerProcess) -> None:
        self._post(self._on_progress, worker)

    def worker_ready(self, worker: WorkerProcess) -> None:
        self._post(self._on_ready, worker)

    def worker_measured(self, worker: WorkerProcess) -> None:
        self._bus.publish("model", worker.spec.model_id)
        self._bus.publish("memory")

    def request_ended(self, worker: WorkerProcess, request_id: str, finished: bool) -> None:
        self._post(self._on_request_ended, worker, request_id, finished)

    def worker_exited(self, worker: WorkerProcess, error: MlxGuiError | None) -> None:
        self._post(self._on_worker_exited, worker, error)

    # --- events, one at a time ------------------------------------------------------------------

    def _on_submit(self, submission: Submission) -> None:
        if self._residents.stopping:
            raise ShuttingDown("The server is stopping.", retry_after_s=5)
        entry = self._residents.entry(submission.model)
        self._residents.refuse_hopeless(entry)
        if len(entry.queue) >= self._settings.max_queue:
            raise QueueFull(
                f"{len(entry.queue)} requests wait for {entry.model.id} already.",
                hint="Try again later, or raise max_queue.",
                retry_after_s=5,
            )
        loop = asyncio.get_running_loop()
        submission.timer = loop.call_later(
            self._settings.queue_timeout_s, self._post, self._on_queue_timeout, submission
        )
        entry.queue.append(submission)
        self._residents.touch(entry)

    def _on_abandon(self, request_id: str) -> None:
        for entry in self._residents.entries.values():
            if request_id in entry.leases:
                if entry.worker is not None:
                    entry.worker.cancel(request_id)
                return
            for submission in entry.queue:
                if submission.request_id == request_id:
                    entry.queue.remove(submission)
                    submission.stop_timer()
                    self._residents.changed(entry)
                    return

    def _on_load(
        self,
        model: Model,
        waiter: LoadWaiter,
        context_tokens: int | None = None,
        plan_token: str | None = None,
    ) -> None:
        if self._residents.stopping:
            raise ShuttingDown("The server is stopping.", retry_after_s=5)
        if plan_token is not None:
            self._residents.check_token(model, context_tokens, plan_token)
        entry = self._residents.entry(model)
        entry.failures_in_a_row = 0
        entry.error = None
        if entry.ready and not self._residents.outdated(entry):
            entry.keep_alive(waiter.keep_alive_s)
            self._residents.touch(entry)
            resolve(waiter.outcome, LoadOutcome(already_loaded=True, duration_ms=0))
            return
        entry.load_waiters.append(waiter)
        self._residents.changed(entry)

    def _on_keep(self, model: Model, keep_alive_s: float) -> None:
        entry = self._residents.entry(model)
        if entry.worker is not None:
            entry.keep_alive(keep_alive_s)
            self._residents.touch(entry)

    def _on_unload(
        self,
        model: Model,
        force: bool,
        when_idle: bool,
        waiter: asyncio.Future[UnloadOutcome],
    ) -> None:
        entry = self._residents.entry(model)
        if entry.worker is None:
            entry.error = None
            entry.failures_in_a_row = 0
            resolve(waiter, UnloadOutcome(was_loaded=False, freed_bytes=0))
            self._residents.changed(entry)
            return
        waiting = len(entry.leases) + len(entry.queue)
        if waiting and when_idle:
            entry.unload_waiters.append(waiter)
            entry.keep_alive(0)
            return
        if waiting and not force:
            raise Conflict(
                f"{model.id} has {waiting} requests under way.",
                hint="Unload it when they have finished, or with force=true to end them.",
                details={"active": len(entry.leases), "queued": len(entry.queue)},
            )
        ended = Conflict(f"{model.id} was unloaded meanwhile.")
        entry.fail_waiting(ended)
        entry.unload_waiters.append(waiter)
        self._residents.stop_worker(entry, "asked")

    def _on_queue_timeout(self, submission: Submission) -> None:
        entry = self._residents.entries[submission.model.id]
        if submission not in entry.queue:
            return
        entry.queue.remove(submission)
        waited_s = self._settings.queue_timeout_s
        error = QueueTimeout(
            f"The request waited {waited_s:g} s for {entry.model.id}.",
            hint="Other models or requests kept the machine busy; try again later.",
            retry_after_s=5,
        )
        submission.mailbox.put(Failed(error.info()))
        self._residents.changed(entry)

    def _on_progress(self, worker: WorkerProcess) -> None:
        entry = self._residents.entry_of(worker)
        if entry is None or worker.progress is None:
            return
        view = entry.view()
        for submission in entry.queue:
            submission.mailbox.put(Loading(view.load_progress or 0, view.load_stage or ""))
        self._residents.changed(entry)

    def _on_ready(self, worker: WorkerProcess) -> None:
        entry = self._residents.entry_of(worker)
        if entry is None or worker.ready is None:
            return
        entry.stop_load_timer()
        entry.loads += 1
        entry.error = None
        log.info("model_loaded", model=entry.model.id, load_ms=round(worker.ready.load_ms))
        waiters, entry.load_waiters = entry.load_waiters, []
        for waiter in waiters:
            entry.keep_alive(waiter.keep_alive_s)
            outcome = LoadOutcome(already_loaded=False, duration_ms=worker.ready.load_ms)
            resolve(waiter.outcome, outcome)
        self._residents.touch(entry)
        self._bus.publish("memory")

    def _on_request_ended(self, worker: WorkerProcess, request_id: str, finished: bool) -> None:
        entry = self._residents.entry_of(worker)
        if entry is None:
            return
        entry.leases.pop(request_id, None)
        if finished:
            entry.failures_in_a_row = 0
        if not entry.leases:
            worker.measure()
        self._residents.touch(entry)

    def _on_worker_exited(self, worker: WorkerProcess, error: MlxGuiError | None) -> None:
        entry = self._residents.entry_of(worker)
        if entry is None:
            return
        entry.stop_load_timer()
        entry.stop_expiry()
        was_ready = worker.ready is not None
        entry.worker = None
        entry.keep_alive_s = None
        entry.leases.clear()
        tail = worker.exit.output_tail[-12:] if worker.exit is not None else ()
        if error is not None:
            entry.failures_in_a_row += 1
            entry.error = error.info()
            log.error(
                "worker_failed", model=entry.model.id, reason=error.message, output=list(tail)
            )
            if not was_ready or entry.failures_in_a_row >= FAILURES_UNTIL_REFUSAL:
                entry.fail_waiting(error)
        else:
            log.info("model_unloaded", model=entry.model.id, freed_bytes=entry.freed_bytes)
        waiters, entry.unload_waiters = entry.unload_waiters, []
        for waiter in waiters:
            resolve(waiter, UnloadOutcome(was_loaded=True, freed_bytes=entry.freed_bytes))
        self._residents.changed(entry)
        self._bus.publish("memory")

    def _on_shutdown(self) -> None:
        self._residents.stopping = True
        self._bus.publish("manager")
        for entry in self._residents.entries.values():
            entry.stop_expiry()
            entry.fail_waiting(ShuttingDown("The server is stopping.", retry_after_s=5))

    def _notice_drained(self) -> None:
        entries = self._residents.entries.values()
        if self._residents.stopping and not any(entry.leases for entry in entries):
            self._drained.set()

    def _post(self, handler: Callable[..., None], *arguments: Any) -> None:
        self._inbox.put_nowait(partial(handler, *arguments))

    async def _ask(self, handler: Callable[..., None], *arguments: Any) -> None:
        """Post an event and wait until it is handled; its error is raised here."""
        handled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def handle() -> None:
            try:
                handler(*arguments)
            except MlxGuiError as error:
                reject(handled, error)
            else:
                resolve(handled, None)
            finally:
                # Whatever else was raised goes to the guard of `run`; nobody may wait for ever.
                reject(handled, InternalError("The request could not be accepted."))

        self._inbox.put_nowait(handle)
        await handled
