"""The one owner of residency: which models are resident, who waits, who holds a lease.

One task handles one event after the other; callers and workers only post events. After each event
`_advance` brings reality nearer to what is wanted: it grants credits to the queues, starts loads
and asks idle models to leave.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from mlx_gui.control.bus import EventBus
from mlx_gui.control.entry import (
    Entry,
    LoadOutcome,
    QueuedView,
    ResidencySnapshot,
    Submission,
    UnloadOutcome,
    reject,
    resolve,
)
from mlx_gui.control.mailbox import Mailbox
from mlx_gui.control.memory import process_rss_bytes
from mlx_gui.control.planning import Plan
from mlx_gui.control.residency import Evict, Limits, Load, Refuse, Resident, decide
from mlx_gui.control.worker_process import WorkerObserver, WorkerProcess
from mlx_gui.core.errors import (
    Conflict,
    InternalError,
    LoadFailed,
    LoadTimeout,
    MlxGuiError,
    NotReady,
    QueueFull,
    QueueTimeout,
    ShuttingDown,
)
from mlx_gui.core.generation import Failed, GenerateRequest, Loading
from mlx_gui.core.model import LoadSpec, Model
from mlx_gui.ipc.messages import Pong

log = structlog.get_logger(__name__)

_FAILURES_UNTIL_REFUSAL = 3


@dataclass(frozen=True, slots=True)
class RunLoopSettings:
    """The limits that the loop holds to; times in seconds, keep-alive -1 is for ever."""

    max_models: int
    max_queue: int
    queue_timeout_s: float
    load_timeout_s: float
    keep_alive_s: int
    client_stall_s: float


class RunLoop:
    """See the module. `plan` and `start_worker` are its only effects besides the clock."""

    def __init__(
        self,
        settings: RunLoopSettings,
        *,
        plan: Callable[[Model], Plan],
        budget_bytes: Callable[[], int],
        start_worker: Callable[[LoadSpec, WorkerObserver], WorkerProcess],
        bus: EventBus,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._budget_bytes = budget_bytes
        self._start_worker = start_worker
        self._bus = bus
        self._entries: dict[str, Entry] = {}
        self._inbox: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        self._stopping = False
        self._drained = asyncio.Event()

    # --- what others ask for -------------------------------------------------------------------

    async def submit(self, request_id: str, model: Model, request: GenerateRequest) -> Mailbox:
        """The mailbox in which the request's events will arrive.

        Raises ModelUnsupported, QueueFull, LoadFailed, InsufficientMemory or ShuttingDown when the
        request is refused at once.
        """
        mailbox = Mailbox(
            stall_s=self._settings.client_stall_s, on_stall=partial(self.abandon, request_id)
        )
        now_s = asyncio.get_running_loop().time()
        submission = Submission(request_id, model, request, mailbox, now_s)
        await self._ask(self._on_submit, submission)
        return mailbox

    def abandon(self, request_id: str) -> None:
        """Nobody reads this request's events any more."""
        self._post(self._on_abandon, request_id)

    async def load(self, model: Model) -> LoadOutcome:
        """Make `model` resident, joining a load under way. Raises what prevents it."""
        waiter: asyncio.Future[LoadOutcome] = asyncio.get_running_loop().create_future()
        await self._ask(self._on_load, model, waiter)
        return await waiter

    async def unload(self, model: Model, *, force: bool = False) -> UnloadOutcome:
        """End the model's worker. Raises Conflict while it answers, unless forced."""
        waiter: asyncio.Future[UnloadOutcome] = asyncio.get_running_loop().create_future()
        await self._ask(self._on_unload, model, force, waiter)
        return await waiter

    async def ping(self, model_id: str, timeout_s: float) -> Pong:
        """What the model's MLX thread answers. Raises NotReady or WorkerFailed."""
        entry = self._entries.get(model_id)
        if entry is None or entry.worker is None or not entry.ready:
            raise NotReady(f"{model_id} is not loaded.", hint="Load it, or send it a request.")
        return await entry.worker.ping(timeout_s)

    def snapshot(self) -> ResidencySnapshot:
        """What is true now, to be shown."""
        now_s = asyncio.get_running_loop().time()
        queue = tuple(
            QueuedView(s.request_id, entry.model.id, s.position, now_s - s.enqueued_s)
            for entry in self._entries.values()
            for s in entry.queue
        )
        models = {model_id: entry.view() for model_id, entry in self._entries.items()}
        return ResidencySnapshot(models, queue, self._stopping)

    async def run(self) -> None:
        """Handle events until cancelled."""
        while True:
            handle = await self._inbox.get()
            try:
                handle()
                self._advance()
            except Exception:
                log.exception("run_loop_event_failed")
                self._fail_stuck()

    async def shutdown(self, grace_s: float) -> None:
        """Refuse what is new, let running answers finish within `grace_s`, end every worker."""
        self._post(self._on_shutdown)
        try:
            await asyncio.wait_for(self._drained.wait(), grace_s)
        except TimeoutError:
            log.warning("answers_cut_off", grace_s=grace_s)
        workers = [entry.worker for entry in self._entries.values() if entry.worker is not None]
        for entry in self._entries.values():
            self._stop_worker(entry, "the server stops")
        await asyncio.gather(*(worker.wait() for worker in workers))

    # --- WorkerObserver: called by workers, posts only ------------------------------------------

    def worker_progressed(self, worker: WorkerProcess) -> None:
        self._post(self._on_progress, worker)

    def worker_ready(self, worker: WorkerProcess) -> None:
        self._post(self._on_ready, worker)

    def worker_measured(self, worker: WorkerProcess) -> None:
        self._bus.publish("model", worker.spec.model_id)

    def request_ended(self, worker: WorkerProcess, request_id: str, finished: bool) -> None:
        self._post(self._on_request_ended, worker, request_id, finished)

    def worker_exited(self, worker: WorkerProcess, error: MlxGuiError | None) -> None:
        self._post(self._on_worker_exited, worker, error)

    # --- events, one at a time ------------------------------------------------------------------

    def _on_submit(self, submission: Submission) -> None:
        if self._stopping:
            raise ShuttingDown("The server is stopping.", retry_after_s=5)
        entry = self._entry(submission.model)
        self._refuse_hopeless(entry)
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
        self._touch(entry)

    def _on_abandon(self, request_id: str) -> None:
        for entry in self._entries.values():
            if request_id in entry.leases:
                if entry.worker is not None:
                    entry.worker.cancel(request_id)
                return
            for submission in entry.queue:
                if submission.request_id == request_id:
                    entry.queue.remove(submission)
                    submission.stop_timer()
                    self._changed(entry)
                    return

    def _on_load(self, model: Model, waiter: asyncio.Future[LoadOutcome]) -> None:
        if self._stopping:
            raise ShuttingDown("The server is stopping.", retry_after_s=5)
        entry = self._entry(model)
        entry.failures_in_a_row = 0
        entry.error = None
        if entry.ready:
            self._touch(entry)
            resolve(waiter, LoadOutcome(already_loaded=True, duration_ms=0))
            return
        entry.load_waiters.append(waiter)
        self._changed(entry)

    def _on_unload(self, model: Model, force: bool, waiter: asyncio.Future[UnloadOutcome]) -> None:
        entry = self._entry(model)
        if entry.worker is None:
            entry.error = None
            entry.failures_in_a_row = 0
            resolve(waiter, UnloadOutcome(was_loaded=False, freed_bytes=0))
            self._changed(entry)
            return
        waiting = len(entry.leases) + len(entry.queue)
        if waiting and not force:
            raise Conflict(
                f"{model.id} has {waiting} requests under way.",
                hint="Unload it when they have finished, or with force=true to end them.",
                details={"active": len(entry.leases), "queued": len(entry.queue)},
            )
        ended = Conflict(f"{model.id} was unloaded meanwhile.")
        entry.fail_waiting(ended)
        entry.unload_waiters.append(waiter)
        self._stop_worker(entry, "asked")

    def _on_queue_timeout(self, submission: Submission) -> None:
        entry = self._entries[submission.model.id]
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
        self._changed(entry)

    def _on_progress(self, worker: WorkerProcess) -> None:
        entry = self._entry_of(worker)
        if entry is None or worker.progress is None:
            return
        view = entry.view()
        for submission in entry.queue:
            submission.mailbox.put(Loading(view.load_progress or 0, view.load_stage or ""))
        self._changed(entry)

    def _on_ready(self, worker: WorkerProcess) -> None:
        entry = self._entry_of(worker)
        if entry is None or worker.ready is None:
            return
        entry.stop_load_timer()
        entry.loads += 1
        entry.error = None
        log.info("model_loaded", model=entry.model.id, load_ms=round(worker.ready.load_ms))
        waiters, entry.load_waiters = entry.load_waiters, []
        for waiter in waiters:
            resolve(waiter, LoadOutcome(already_loaded=False, duration_ms=worker.ready.load_ms))
        self._touch(entry)

    def _on_request_ended(self, worker: WorkerProcess, request_id: str, finished: bool) -> None:
        entry = self._entry_of(worker)
        if entry is None:
            return
        entry.leases.discard(request_id)
        if finished:
            entry.failures_in_a_row = 0
        if not entry.leases:
            worker.measure()
        self._touch(entry)

    def _on_worker_exited(self, worker: WorkerProcess, error: MlxGuiError | None) -> None:
        entry = self._entry_of(worker)
        if entry is None:
            return
        entry.stop_load_timer()
        entry.stop_expiry()
        was_ready = worker.ready is not None
        entry.worker = None
        entry.leases.clear()
        tail = worker.exit.output_tail[-12:] if worker.exit is not None else ()
        if error is not None:
            entry.failures_in_a_row += 1
            entry.error = error.info()
            log.error(
                "worker_failed", model=entry.model.id, reason=error.message, output=list(tail)
            )
            if not was_ready or entry.failures_in_a_row >= _FAILURES_UNTIL_REFUSAL:
                entry.fail_waiting(error)
        else:
            log.info("model_unloaded", model=entry.model.id, freed_bytes=entry.freed_bytes)
        waiters, entry.unload_waiters = entry.unload_waiters, []
        for waiter in waiters:
            resolve(waiter, UnloadOutcome(was_loaded=True, freed_bytes=entry.freed_bytes))
        self._changed(entry)

    def _on_load_timeout(self, worker: WorkerProcess) -> None:
        entry = self._entry_of(worker)
        if entry is None or worker.ready is not None:
            return
        error = LoadTimeout(
            f"Loading {entry.model.id} took more than {self._settings.load_timeout_s:g} s.",
            hint="Raise load_timeout_s if the disk is slow.",
            retry_after_s=5,
        )
        entry.error = error.info()
        entry.failures_in_a_row += 1
        entry.fail_waiting(error)
        self._stop_worker(entry, "load timed out")

    def _on_expiry(self, entry: Entry) -> None:
        entry.expiry = None
        if entry.idle:
            self._stop_worker(entry, "keep-alive over")

    def _on_shutdown(self) -> None:
        self._stopping = True
        self._bus.publish("manager")
        for entry in self._entries.values():
            entry.stop_expiry()
            entry.fail_waiting(ShuttingDown("The server is stopping.", retry_after_s=5))

    # --- towards what is wanted -----------------------------------------------------------------

    def _advance(self) -> None:
        for entry in self._entries.values():
            while entry.queue and entry.free_credits > 0:
                self._grant(entry, entry.queue.popleft())
        wanted = [entry for entry in self._entries.values() if entry.wanted]
        for entry in sorted(wanted, key=_waiting_since_s):
            self._make_resident(entry)
        for entry in self._entries.values():
            entry.tell_positions()
        if self._stopping and not any(entry.leases for entry in self._entries.values()):
            self._drained.set()

    def _grant(self, entry: Entry, submission: Submission) -> None:
        assert entry.worker is not None, "a free credit has a worker"
        submission.stop_timer()
        entry.stop_expiry()
        entry.leases.add(submission.request_id)
        entry.worker.generate(submission.request_id, submission.request, submission.mailbox)
        self._changed(entry)

    def _make_resident(self, entry: Entry) -> None:
        try:
            plan = self._plan(entry.model)
        except MlxGuiError as error:
            entry.fail_waiting(error)
            self._changed(entry)
            return
        limits = Limits(self._budget_bytes(), self._settings.max_models)
        match decide(entry.model.id, plan.need, self._residents(), limits):
            case Load():
                entry.plan = plan
                entry.worker = self._start_worker(plan.spec, self)
                entry.load_timer = asyncio.get_running_loop().call_later(
                    self._settings.load_timeout_s, self._post, self._on_load_timeout, entry.worker
                )
                log.info("model_loading", model=entry.model.id, form=plan.spec.weight_form)
                self._changed(entry)
            case Evict(model_ids):
                for model_id in model_ids:
                    self._stop_worker(self._entries[model_id], f"made room for {entry.model.id}")
            case Refuse(error):
                entry.fail_waiting(error)
                self._changed(entry)
            case _:
                pass

    def _residents(self) -> tuple[Resident, ...]:
        return tuple(
            Resident(
                entry.model.id,
                # A load under way is counted at its worst moment.
                entry.plan.need.total_bytes
                if entry.worker.ready is not None
                else max(entry.plan.need.total_bytes, entry.plan.need.load_peak_bytes),
                idle=entry.idle,
                leaving=entry.worker.phase in ("stopping", "stopped"),
                last_used_s=entry.last_used_s,
            )
            for entry in self._entries.values()
            if entry.worker is not None and entry.plan is not None
        )

    def _stop_worker(self, entry: Entry, reason: str) -> None:
        worker = entry.worker
        if worker is None or worker.phase in ("stopping", "stopped"):
            return
        entry.stop_expiry()
        entry.freed_bytes = process_rss_bytes(worker.pid)
        log.info("model_unloading", model=entry.model.id, reason=reason)
        worker.stop()
        self._changed(entry)

    def _refuse_hopeless(self, entry: Entry) -> None:
        """Raise at once what waiting would not mend."""
        if entry.worker is not None:
            return
        if entry.error is not None and entry.failures_in_a_row >= _FAILURES_UNTIL_REFUSAL:
            raise LoadFailed(
                f"{entry.model.id} failed {entry.failures_in_a_row} times in a row. "
                f"{entry.error.message}",
                hint=f"Mend the cause, then load it: mlx-gui load {entry.model.id}",
            )
        self._plan(entry.model)

    def _touch(self, entry: Entry) -> None:
        """Note a use, and start the keep-alive anew if nobody uses the model now."""
        loop = asyncio.get_running_loop()
        entry.last_used_s, entry.last_used_at = loop.time(), time.time()
        entry.stop_expiry()
        keep_alive_s = self._settings.keep_alive_s
        if entry.idle and keep_alive_s >= 0 and not self._stopping:
            entry.expires_at = time.time() + keep_alive_s
            entry.expiry = loop.call_later(keep_alive_s, self._post, self._on_expiry, entry)
        self._changed(entry)

    def _fail_stuck(self) -> None:
        """After a fault of ours: nobody may wait for a load that could not even be begun."""
        for entry in self._entries.values():
            if entry.wanted:
                entry.fail_waiting(InternalError("The model could not be loaded."))

    def _entry(self, model: Model) -> Entry:
        entry = self._entries.setdefault(model.id, Entry(model))
        entry.model = model
        return entry

    def _entry_of(self, worker: WorkerProcess) -> Entry | None:
        entry = self._entries.get(worker.spec.model_id)
        return entry if entry is not None and entry.worker is worker else None

    def _changed(self, entry: Entry) -> None:
        self._bus.publish("model", entry.model.id)
        self._bus.publish("manager")

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


def _waiting_since_s(entry: Entry) -> float:
    return entry.queue[0].enqueued_s if entry.queue else 0.0
