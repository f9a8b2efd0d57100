"""The one owner of residency: which models are resident, who waits, who holds a lease.

One task handles one event after the other; callers and workers only post events. What an event does
is said in `asking`, `loading` and `leaving`, which share the notes of `models`. After each event
`RunLoop._advance` brings reality nearer to what is wanted: it starts loads, asks idle models to
leave and grants credits to the queues.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

import structlog

from mlx_gui.bus import EventBus
from mlx_gui.control.machine.reading import Pressure
from mlx_gui.control.plans.wish import Wish
from mlx_gui.control.requests.observing import RequestObserver
from mlx_gui.control.residency.asking import Asking
from mlx_gui.control.residency.decisions import OnMark, unmarked
from mlx_gui.control.residency.departures import OnDeparture, untold
from mlx_gui.control.residency.effects import Effects, ResidencySettings
from mlx_gui.control.residency.entry import LoadWaiter, loop_time_s, reject, resolve
from mlx_gui.control.residency.leaving import Leaving
from mlx_gui.control.residency.loading import Loading
from mlx_gui.control.residency.models import Models
from mlx_gui.control.residency.relief import Relief
from mlx_gui.control.residency.returning import Gone, Returned, Returning
from mlx_gui.control.residency.submission import Submission
from mlx_gui.control.residency.views import (
    LoadOutcome,
    QueuedView,
    ResidencySnapshot,
    UnloadOutcome,
)
from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.control.workers.process import WorkerObserver, WorkerProcess
from mlx_gui.core.ask import Ask
from mlx_gui.core.errors import Cancelled, ErrorInfo, InternalError, MlxGuiError, NotReady
from mlx_gui.core.generation import Event, Failed, Usage
from mlx_gui.core.model import Model
from mlx_gui.core.plan import LoadPlan, PolicyDecision
from mlx_gui.core.program import explained
from mlx_gui.core.setting_row import ModelSettings
from mlx_gui.ipc.messages import Pong

log = structlog.get_logger(__name__)


class RunLoop:
    """See the module. What it does to the world goes through `Effects`."""

    def __init__(
        self,
        settings: Callable[[], ResidencySettings],
        *,
        effects: Callable[[WorkerObserver], Effects],
        boot_id: str,
        bus: EventBus,
        observer: RequestObserver,
        on_mark: OnMark = unmarked,
        on_departure: OnDeparture = untold,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._observer = observer
        self._models = Models(
            settings,
            effects(self),
            bus=bus,
            post=self._post,
            on_mark=on_mark,
            on_departure=on_departure,
        )
        self._relief = Relief(self._models)
        self._leaving = Leaving(self._models, self._relief)
        self._loading = Loading(self._models, self._leaving, boot_id=boot_id)
        self._returning = Returning(self._models, self._loading)
        self._asking = Asking(self._models, self._loading, self._leaving)
        self._inbox: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        self._drained = asyncio.Event()

    # --- what others ask for -------------------------------------------------------------------

    async def submit(
        self,
        model: Model,
        ask: Ask,
        *,
        before: Callable[[], Awaitable[object]] | None = None,
        keep_alive_s: float | None = None,
    ) -> Mailbox:
        """The mailbox in which the request's events will arrive, once `before` is over.

        From its lease on the model stays loaded for `keep_alive_s` after each use, in place of the
        setting, until another request names another time or the worker ends. Less than 0 is for
        ever, None no wish.
        Raises CapabilityMissing, ModelUnsupported, QueueFull, LoadFailed, InsufficientMemory or
        ShuttingDown when the request is refused at once, and what `before` raises.
        """
        mailbox = Mailbox(
            stall_s=self._settings().client_stall_s, on_stall=partial(self.abandon, ask.id)
        )
        submission = Submission(
            ask, model, mailbox, self._observer, loop_time_s(), keep_alive_s=keep_alive_s
        )
        self._observer.submitted(ask, model.id)
        try:
            if before is not None:
                await _before(before(), submission)
            await self._ask(self._asking.on_submit, submission)
        except MlxGuiError as error:
            submission.fail(error.info())
            raise
        return mailbox

    def abandon(self, answer_id: str) -> None:
        """Nobody wants this answer any more. Who reads it all the same is told that it ended."""
        self._post(self._asking.on_abandon, answer_id)

    async def cancel(self, answer_id: str) -> None:
        """End that request; whoever reads its events gets RequestCancelled.

        Raises Conflict when it has ended, or is not in any queue yet.
        """
        await self._ask(self._asking.on_cancel, answer_id)

    async def plan(
        self,
        model: Model,
        *,
        context_tokens: int | None = None,
        settings: ModelSettings | None = None,
    ) -> LoadPlan:
        """What loading `model` now would need, evict and leave; nothing changes.

        With `settings`, as it would be if those held. Raises ModelUnsupported and NotReady, and
        ModelTooLarge for a limit of its own; that it does not fit is part of the plan.
        """
        planned: asyncio.Future[LoadPlan] = asyncio.get_running_loop().create_future()
        await self._ask(self._loading.on_plan, model, Wish(context_tokens), settings, planned)
        return await planned

    async def load(
        self,
        model: Model,
        *,
        keep_alive_s: float | None = None,
        context_tokens: int | None = None,
        plan_token: str | None = None,
        on_accepted: Callable[[], None] | None = None,
    ) -> LoadOutcome:
        """Make `model` resident as its settings say now, joining a load under way.

        `context_tokens` is a context other than the setting's, for this load. With `plan_token`
        nothing is done unless the plan is still the one that was shown; `on_accepted` is called
        once that is known. Raises what prevents the load, and PlanChanged. `keep_alive_s` is as for
        `submit`. A load that nobody waits for any more is ended.
        """
        outcome: asyncio.Future[LoadOutcome] = asyncio.get_running_loop().create_future()
        waiter = LoadWaiter(outcome, loop_time_s(), Wish(context_tokens), keep_alive_s)
        try:
            await self._ask(self._loading.on_load, model, waiter, plan_token)
            if on_accepted is not None:
                on_accepted()
            return await outcome
        except asyncio.CancelledError:
            self._post(self._loading.on_load_abandoned, model, waiter)
            raise

    def preload(self, models: Iterable[Model]) -> None:
        """Load these without anybody waiting, each as soon as there is room."""
        self._post(self._loading.on_preload, tuple(models))

    async def keep(self, model: Model, keep_alive_s: float) -> None:
        """Let the worker of `model`, if it has one, stay so long after each use, the last included.

        With 0 it ends as soon as it has no more to do.
        """
        await self._ask(self._leaving.on_keep, model, keep_alive_s)

    def removed(self, model_ids: Iterable[str]) -> None:
        """These are not installed any more; each leaves when it has answered, pinned or not."""
        self._post(self._leaving.on_removed, tuple(model_ids))

    def settings_changed(self) -> None:
        """Look again at how the models stand: pins, priorities, keep-alive."""
        self._post(self._leaving.on_settings_changed)

    def pressure_is(self, level: Pressure) -> None:
        """The system is that short of memory now."""
        self._post(self._relief.on_pressure, level)

    async def unload(
        self, model: Model, *, force: bool = False, when_idle: bool = False
    ) -> UnloadOutcome:
        """End the model's worker. Raises Conflict while it answers, unless forced.

        With `when_idle` it first answers what has come by now; later requests load it again.
        """
        waiter: asyncio.Future[UnloadOutcome] = asyncio.get_running_loop().create_future()
        await self._ask(self._leaving.on_unload, model, force, when_idle, waiter)
        return await waiter

    async def take_back(self, gone: Gone) -> Returned:
        """Have models come back that have left for the sake of another, as they were.

        Raises Conflict where another one had to leave for them than that, or where that is used,
        and what forbids a load.
        """
        answered: asyncio.Future[Returned] = asyncio.get_running_loop().create_future()
        await self._ask(self._returning.on_take_back, gone, answered)
        return await answered

    async def ping(self, model_id: str, timeout_s: float) -> Pong:
        """What the model's MLX thread answers. Raises NotReady or WorkerFailed."""
        entry = self._models.entries.get(model_id)
        if entry is None or entry.worker is None or not entry.ready:
            raise NotReady(f"{model_id} is not loaded.", hint="Load it, or send it a request.")
        return await entry.worker.ping(timeout_s)

    def resident_models(self) -> tuple[Model, ...]:
        """Those that have a worker, also when they are not installed any more."""
        entries = self._models.entries.values()
        return tuple(entry.model for entry in entries if entry.worker is not None)

    def last_load(self, model_id: str) -> tuple[float, float] | None:
        """When the model's last load began and ended, in the loop's time; None without any."""
        entry = self._models.entries.get(model_id)
        return None if entry is None else entry.load.span

    def loaded_context(self, model_id: str) -> int | None:
        """For how many tokens it is in memory; None for one that is not, or reads none."""
        entry = self._models.entries.get(model_id)
        spec = None if entry is None else entry.view().spec
        return None if spec is None else spec.context

    def worker_pids(self) -> dict[str, int]:
        """The process of every model that has one."""
        workers = ((name, entry.worker) for name, entry in self._models.entries.items())
        return {
            name: worker.pid
            for name, worker in workers
            if worker is not None and worker.pid is not None
        }

    def reload_pending(self, model: Model) -> bool:
        """Whether the next request for `model` loads it anew; to be shown."""
        entry = self._models.entries.get(model.id)
        return entry is not None and self._loading.outdated(entry)

    def decisions(self, model_id: str | None = None) -> tuple[PolicyDecision, ...]:
        """What was decided lately, the newest first."""
        return self._models.decisions.of(model_id)

    def snapshot(self) -> ResidencySnapshot:
        """What is true now, to be shown."""
        now_s = loop_time_s()
        queue = tuple(
            QueuedView(submission.ask.id, entry.model.id, position, now_s - submission.enqueued_s)
            for entry in self._models.entries.values()
            for position, submission in enumerate(entry.queue.in_order(now_s), start=1)
        )
        models = {model_id: entry.view() for model_id, entry in self._models.entries.items()}
        return ResidencySnapshot(models, queue, self._models.stopping)

    async def run(self) -> None:
        """Handle events until cancelled."""
        while True:
            handle = await self._inbox.get()
            try:
                handle()
                self._advance()
                self._notice_drained()
            except Exception:
                log.exception("run_loop_event_failed")
                self._loading.fail_stuck()

    async def shutdown(self, grace_s: float) -> None:
        """Refuse what is new, let running answers finish within `grace_s`, end every worker."""
        self._post(self._leaving.on_shutdown)
        try:
            await asyncio.wait_for(self._drained.wait(), grace_s)
        except TimeoutError:
            log.warning("answers_cut_off", grace_s=grace_s)
        workers = [
            entry.worker for entry in self._models.entries.values() if entry.worker is not None
        ]
        for entry in self._models.entries.values():
            self._models.stop_worker(entry, "unload", "the server stops")
        await asyncio.gather(*(worker.wait() for worker in workers))
        await self._ask(_nothing_more)

    # --- WorkerObserver: called by workers, decides nothing -------------------------------------

    def worker_progressed(self, worker: WorkerProcess) -> None:
        self._post(self._loading.on_progress, worker)

    def worker_ready(self, worker: WorkerProcess) -> None:
        self._post(self._loading.on_ready, worker)

    def worker_measured(self, worker: WorkerProcess) -> None:
        self._bus.publish("models", worker.spec.model_id)
        self._bus.publish("memory")

    def request_begun(self, worker: WorkerProcess, ask: Ask) -> None:
        self._observer.begun(ask)

    def request_advanced(self, worker: WorkerProcess, ask: Ask, events: Sequence[Event]) -> None:
        self._observer.advanced(ask, events)

    def request_ended(self, worker: WorkerProcess, answer_id: str, last: Usage | Failed) -> None:
        self._post(self._asking.on_request_ended, worker, answer_id, last)

    def request_returned(self, worker: WorkerProcess, answer_id: str, error: ErrorInfo) -> None:
        self._post(self._asking.on_request_returned, worker, answer_id, error)

    def worker_exited(self, worker: WorkerProcess, error: MlxGuiError | None) -> None:
        self._post(self._leaving.on_worker_exited, worker, error)

    def worker_weighed(self, worker: WorkerProcess) -> None:
        self._post(self._leaving.on_worker_weighed, worker)

    def _advance(self) -> None:
        """Start loads, evict and grant credits, as far as that can be done now."""
        now_s = loop_time_s()
        try:
            self._loading.replace_outdated()
            self._loading.make_room(now_s)
        finally:
            # Where nothing can be planned, models that are there answer all the same.
            self._asking.grant_all(now_s)
        self._leaving.stop_done()
        self._leaving.forget_removed()
        self._models.judge_spare()

    def _notice_drained(self) -> None:
        entries = self._models.entries.values()
        if self._models.stopping and not any(entry.leases for entry in entries):
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
                if not handled.done():
                    unforeseen = InternalError("The request could not be accepted.")
                    reject(handled, explained(unforeseen))

        self._inbox.put_nowait(handle)
        await handled


async def _before(work: Awaitable[object], submission: Submission) -> None:
    """Wait for `work`; whoever gives up meanwhile has not been in any queue."""
    try:
        await work
    except asyncio.CancelledError:
        submission.fail(Cancelled("The request was cancelled.").info())
        raise


def _nothing_more() -> None:
    """Behind it in the inbox is nothing of what the workers told."""
