"""How a model comes to be loaded: who asks for it, what the policy says to it, the load itself."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import structlog

from mlx_gui.control.plans.explain import check_token, explain
from mlx_gui.control.plans.plan import Plan
from mlx_gui.control.plans.wish import Wish
from mlx_gui.control.residency.entry import (
    NEVER_RAN_OUT_S,
    Entry,
    LoadWaiter,
    loop_time_s,
    reject,
    resolve,
)
from mlx_gui.control.residency.leaving import Leaving
from mlx_gui.control.residency.models import Models
from mlx_gui.control.residency.policy import (
    NEVER_S,
    Drain,
    Evict,
    Leaver,
    Load,
    Refuse,
    Step,
    Wait,
    decide,
)
from mlx_gui.control.residency.views import LoadOutcome
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.core.errors import InternalError, LoadFailed, LoadTimeout, MlxGuiError, QueueTimeout
from mlx_gui.core.model import Model
from mlx_gui.core.plan import LoadPlan
from mlx_gui.core.program import explained
from mlx_gui.core.setting_row import ModelSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Loading:
    """Belongs to the run loop, which calls one method after the other.

    What a method raises is the answer to whoever posted the event.
    """

    def __init__(self, models: Models, leaving: Leaving, *, boot_id: str) -> None:
        self._models = models
        self._leaving = leaving
        self._boot_id = boot_id
        self._alarm: asyncio.TimerHandle | None = None

    # --- who asks for it ---------------------------------------------------------------------

    def on_load(self, model: Model, waiter: LoadWaiter, plan_token: str | None) -> None:
        self._models.refuse_when_stopping()
        if plan_token is not None:
            check_token(plan_token, self._load_plan(model, waiter.wish))
        entry = self._models.entry(model)
        entry.load.forgive()
        entry.error = None
        wish = entry.wish_of(waiter)
        if entry.ready and self._answers_wish(entry, wish):
            entry.load.wish = wish
            entry.stay.keep_alive(waiter.keep_alive_s)
            self._leaving.touch(entry)
            resolve(waiter.outcome, LoadOutcome(already_loaded=True, duration_ms=0))
            return
        entry.load.waiters.append(waiter)
        timer = asyncio.get_running_loop().call_later(
            self._models.settings.queue_timeout_s,
            self._models.post,
            self._on_wait_over,
            entry,
            waiter,
        )
        waiter.outcome.add_done_callback(lambda _: timer.cancel())
        self._models.changed(entry)

    def _on_wait_over(self, entry: Entry, waiter: LoadWaiter) -> None:
        """A load that has begun by now is bounded by its own limit."""
        if entry.loading or waiter not in entry.load.waiters:
            return
        error = waited_too_long("load", entry, self._models.settings.queue_timeout_s)
        entry.load.waiters.remove(waiter)
        entry.error = error.info()
        reject(waiter.outcome, error)
        self._models.changed(entry)

    def on_load_abandoned(self, model: Model, waiter: LoadWaiter) -> None:
        entry = self._models.entries.get(model.id)
        if entry is not None and waiter in entry.load.waiters:
            wish = entry.wish_of(waiter)
            entry.load.waiters.remove(waiter)
            self.stop_unasked(entry)
            self._withdraw(entry, wish)
            self._models.changed(entry)

    def _withdraw(self, entry: Entry, wish: Wish) -> None:
        """Whoever wanted `wish` is gone; others who wait for the load under way get theirs."""
        shared = any(entry.wish_of(each) == wish for each in entry.load.waiters)
        if entry.loading and entry.load.wish == wish and not shared:
            entry.load.wish = replace(wish, context_tokens=None)
            if self.outdated(entry):
                reason = "whoever asked for this context is gone"
                self._models.stop_worker(entry, "reload", reason)

    def stop_unasked(self, entry: Entry) -> None:
        """End a load that nobody waits for any more."""
        if entry.loading and not entry.asked_for:
            self._models.stop_worker(entry, "unload", "nobody waits for it any more")

    def on_preload(self, models: tuple[Model, ...]) -> None:
        if not self._models.stopping:
            for model in models:
                entry = self._models.entry(model)
                entry.load.kept = entry.worker is None
                self._models.changed(entry)

    def refuse_hopeless(self, entry: Entry) -> None:
        """Raise at once what waiting would not mend."""
        if entry.worker is not None:
            return
        planner = self._models.effects.planner
        wish = entry.wish(loop_time_s())
        failed = entry.plan if entry.load.hopeless else None
        if failed is not None and not planner.holds(entry.model, wish, failed):
            # What failed was another load: the settings have changed since.
            entry.load.failures_in_a_row = 0
        if entry.error is not None and entry.load.hopeless:
            raise LoadFailed(
                f"{entry.model.id} failed {entry.load.failures_in_a_row} times in a row. "
                f"{entry.error.message}",
                hint=f"Mend the cause, then load it: mlx-gui load {entry.model.id}",
            )
        planner.plan(entry.model, wish)

    # --- what it would take ------------------------------------------------------------------

    def on_plan(
        self,
        model: Model,
        wish: Wish,
        settings: ModelSettings | None,
        planned: asyncio.Future[LoadPlan],
    ) -> None:
        resolve(planned, self._load_plan(model, wish, settings))

    def _load_plan(
        self, model: Model, wish: Wish, settings: ModelSettings | None = None
    ) -> LoadPlan:
        """What loading `model` now would do, with other `settings` if those are given.

        Raises ModelUnsupported, ModelTooLarge and NotReady.
        """
        planner = self._models.effects.planner
        plan = planner.plan(model, wish, settings)
        limits, residents = self._models.limits(), self._models.residents()
        pinned_bytes = sum(
            each.held_bytes for each in residents if each.pinned and each.model_id != model.id
        )
        return explain(
            plan,
            residents,
            limits=limits,
            now_s=loop_time_s(),
            max_context=planner.largest_context(model, limits.budget_bytes - pinned_bytes),
            boot_id=self._boot_id,
        )

    def outdated(self, entry: Entry) -> bool:
        """Whether the worker of `entry` holds something else than a load would hold now.

        It takes no new request then, and leaves when those under way have ended.
        """
        if entry.worker is None or entry.plan is None:
            return False
        return not self._answers_wish(entry, entry.wish(loop_time_s()))

    def _answers_wish(self, entry: Entry, wish: Wish) -> bool:
        """Whether a load with `wish` would make the worker of `entry` what it is."""
        assert entry.plan is not None, "a worker has a plan"
        return self._models.effects.planner.holds(entry.model, wish, entry.plan)

    # --- what the policy says to it ----------------------------------------------------------

    def replace_outdated(self) -> None:
        """Let workers leave in whose place somebody waits for another load of their model."""
        for entry in self._models.entries.values():
            if entry.ready and entry.asked_for and self.outdated(entry):
                entry.leave.drained_for = entry.model.id
                if not entry.leases:
                    self._models.stop_worker(entry, "reload", _outdated_because(entry))
            elif entry.leave.drained_for == entry.model.id:
                entry.leave.drained_for = None

    def make_room(self, now_s: float) -> None:
        """Let the policy decide about everything that is wanted, and do what it says."""
        entries = self._models.entries
        for entry in entries.values():
            if entry.leave.drained_for not in (None, entry.model.id):
                entry.leave.drained_for = None
        plans: dict[str, Plan] = {}
        for entry in [each for each in entries.values() if each.wanted(now_s)]:
            try:
                plans[entry.model.id] = self._models.effects.planner.plan(
                    entry.model, entry.wish(now_s)
                )
            except MlxGuiError as error:
                self._refuse(entry, error)
        if plans:
            wanted = [entries[name].as_wanted(plan) for name, plan in plans.items()]
            steps = decide(
                wanted, self._models.residents(), limits=self._models.limits(), now_s=now_s
            )
            self._take(steps, plans)
        else:
            steps = ()
        self._wake(now_s, steps)

    def _take(self, steps: Iterable[Step], plans: dict[str, Plan]) -> None:
        entries, decisions = self._models.entries, self._models.decisions
        for step in steps:
            entry = entries[step.model_id]
            entry.load.waits_because = None
            match step:
                case Load(model_id):
                    self._begin(entry, plans[model_id])
                case Evict(model_id, leavers):
                    entry.load.waits_because = _waits_for(leavers)
                    for each in leavers:
                        self._models.evict(entries[each.model_id], each.reason, cause=model_id)
                case Drain(model_id, leavers):
                    entry.load.waits_because = _waits_for(leavers)
                    for each in leavers:
                        entries[each.model_id].leave.drained_for = model_id
                        decisions.note("drain", each.model_id, reason=each.reason, cause=model_id)
                case Wait(model_id, reason):
                    entry.load.waits_because = reason
                    decisions.note("wait", model_id, reason=reason)
                case Refuse(_, error):
                    self._refuse(entry, error)

    def _refuse(self, entry: Entry, error: MlxGuiError) -> None:
        self._models.decisions.note("refuse", entry.model.id, reason=error.message)
        if entry.load.waiters or entry.load.kept:
            # Whoever does not wait for a load hears of its end here only.
            entry.error = error.info()
        wish = entry.wish(loop_time_s())
        if wish == replace(wish, context_tokens=None, room_tokens=0):
            entry.fail_waiting(error)
        else:
            # With another context there may be room for the others.
            entry.fail_long()
            if wish.context_tokens is not None:
                entry.fail_loads(wish, error)
            self._models.post(_nothing)
        self._models.changed(entry)

    def _wake(self, now_s: float, steps: Iterable[Step]) -> None:
        """See to it that the run loop looks again when a turn or a back-off is over."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        times = [step.until_s for step in steps if isinstance(step, Wait)]
        times += [
            entry.load.not_before_s
            for entry in self._models.entries.values()
            if entry.worker is None and entry.asked_for
        ]
        times = [each for each in times if now_s < each < NEVER_S]
        if times:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_at(min(times), self._models.post, _nothing)

    # --- the load itself ---------------------------------------------------------------------

    def _begin(self, entry: Entry, plan: Plan) -> None:
        entry.plan = plan
        entry.load.begin(entry.wish(loop_time_s()))
        entry.leave.drained_for = None
        # Its turn begins when it is ready, not with what an earlier worker left here.
        entry.stay.ready_since_s = NEVER_S
        entry.worker = self._models.effects.start_worker(plan.spec)
        self._models.reconsider_spare()
        entry.load.timer = asyncio.get_running_loop().call_later(
            self._models.settings.load_timeout_s,
            self._models.post,
            self._on_load_timeout,
            entry.worker,
        )
        waiting = len(entry.queue) + len(entry.load.waiters)
        reason = f"{waiting} waiting for it" if waiting else "it is kept loaded"
        self._models.decisions.note("load", entry.model.id, reason=reason)
        log.info("model_loading", model=entry.model.id, form=plan.spec.weight_form)
        self._models.changed(entry)

    def on_progress(self, worker: WorkerProcess) -> None:
        entry = self._models.entry_of(worker)
        if entry is not None:
            self._models.changed(entry)

    def _on_load_timeout(self, worker: WorkerProcess) -> None:
        entry = self._models.entry_of(worker)
        if entry is None or worker.ready is not None:
            return
        error = LoadTimeout(
            f"Loading {entry.model.id} took more than {self._models.settings.load_timeout_s:g} s.",
            hint="Raise load_timeout_s if the disk is slow.",
            retry_after_s=5,
        )
        self._models.failed(entry, error)
        entry.fail_waiting(error)
        self._models.stop_worker(entry, "unload", "its load timed out")

    def on_ready(self, worker: WorkerProcess) -> None:
        entry = self._models.entry_of(worker)
        if entry is None or worker.ready is None:
            return
        load_ms = worker.ready.load_ms
        entry.load.end()
        entry.load.count += 1
        entry.error = None
        entry.load.kept = False
        entry.stay.ready_since_s, entry.load.took_s = loop_time_s(), load_ms / 1000
        log.info("model_loaded", model=entry.model.id, load_ms=round(load_ms))
        self._models.effects.note_ready(worker)
        self._models.reconsider_spare()
        if entry.load.wish.footprint == "full":
            entry.load.ran_out_s = NEVER_RAN_OUT_S
        waiters, entry.load.waiters = entry.load.waiters, []
        for waiter in waiters:
            wish = entry.wish_of(waiter)
            if wish != entry.load.wish and not self._answers_wish(entry, wish):
                # It came while another context was being loaded, and is to be loaded next.
                entry.load.waiters.append(waiter)
                continue
            entry.stay.keep_alive(waiter.keep_alive_s)
            resolve(waiter.outcome, LoadOutcome(already_loaded=False, duration_ms=load_ms))
        self._leaving.touch(entry)
        self._models.bus.publish("memory")

    def fail_stuck(self) -> None:
        """After a fault of ours: nobody may wait for a load that could not even be begun."""
        for entry in self._models.entries.values():
            if entry.worker is None and entry.asked_for:
                entry.fail_waiting(explained(InternalError("The model could not be loaded.")))


def waited_too_long(what: str, entry: Entry, waited_s: float) -> QueueTimeout:
    """The answer to a request or a load that waited for `waited_s`, and why it had to."""
    why = f" It waited because {entry.load.waits_because}." if entry.load.waits_because else ""
    return QueueTimeout(
        f"The {what} waited {waited_s:g} s for {entry.model.id}.{why}",
        hint="Other models or requests kept the machine busy; try again later.",
        retry_after_s=5,
    )


def _outdated_because(entry: Entry) -> str:
    wish = entry.wish(loop_time_s())
    if wish.room_tokens > entry.load.wish.room_tokens and entry.worker is not None:
        held = entry.worker.spec.context
        return f"a prompt waits that is too long for its context of {held:,} tokens"
    if wish.context_tokens != entry.load.wish.context_tokens:
        return "a load with another context was asked for"
    return "its settings changed"


def _waits_for(leavers: Iterable[Leaver]) -> str:
    return f"room is made by {', '.join(each.model_id for each in leavers)}"


def _nothing() -> None:
    """An event that only lets the run loop look again."""
