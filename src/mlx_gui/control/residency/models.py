"""The models of the run loop, and the steps from what is there towards what is wanted."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal

import structlog

from mlx_gui.bus import EventBus
from mlx_gui.control.machine.reading import Pressure
from mlx_gui.control.plans.explain import explain
from mlx_gui.control.plans.plan import Plan
from mlx_gui.control.plans.wish import Wish
from mlx_gui.control.residency.decisions import DecisionLog
from mlx_gui.control.residency.effects import Effects, ResidencySettings
from mlx_gui.control.residency.model_entry import Entry, Lease, Submission, loop_time_s
from mlx_gui.control.residency.policy import (
    NEVER_S,
    Drain,
    Evict,
    Leaver,
    Limits,
    Load,
    Refuse,
    Resident,
    Step,
    Wait,
    decide,
)
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.control.workers.weighing import SETTLED_S
from mlx_gui.core.errors import InternalError, LoadFailed, LoadTimeout, MlxGuiError
from mlx_gui.core.model import Model
from mlx_gui.core.plan import LoadPlan
from mlx_gui.core.settings import ModelSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

FAILURES_UNTIL_REFUSAL = 3
_LONGEST_BACK_OFF_S = 30.0


class Residents:
    """All entries, and what is done to them. Belongs to the run loop; nobody else calls it.

    `post` puts a call into the run loop's inbox: timers fire between its events, never inside one.
    """

    def __init__(
        self,
        settings: Callable[[], ResidencySettings],
        effects: Effects,
        *,
        boot_id: str,
        bus: EventBus,
        post: Callable[..., None],
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self.decisions = DecisionLog(time.time)
        self.stopping = False
        self.pressure: Pressure = "normal"
        self._settings = settings
        self._effects = effects
        self._boot_id = boot_id
        self._bus = bus
        self._post = post
        self._alarm: asyncio.TimerHandle | None = None
        self._last_exit_s = -SETTLED_S
        self._spare_due = True

    # --- towards what is wanted --------------------------------------------------------------

    def advance(self) -> None:
        """Start loads, evict and grant credits, as far as that can be done now."""
        now_s = loop_time_s()
        try:
            self._replace_outdated()
            self._make_room(now_s)
        finally:
            # Where nothing can be planned, models that are there answer all the same.
            self._grant_all(now_s)
        self._forget_removed()
        if self._spare_due:
            self._spare_due = False
            self._judge_spare()

    def _grant_all(self, now_s: float) -> None:
        for entry in self.entries.values():
            while (submission := entry.grantable(now_s)) is not None:
                entry.queue.take(submission)
                self._grant(entry, submission)
            if entry.ready and entry.done_before_leaving():
                self.stop_worker(entry, "unload", entry.leaves_because)
            entry.tell_positions(now_s)

    def _replace_outdated(self) -> None:
        for entry in self.entries.values():
            if entry.ready and entry.asked_for and self.outdated(entry):
                entry.drained_for = entry.model.id
                if not entry.leases:
                    self.stop_worker(entry, "reload", self._outdated_because(entry))
            elif entry.drained_for == entry.model.id:
                entry.drained_for = None

    def _make_room(self, now_s: float) -> None:
        """Let the policy decide about everything that is wanted, and do what it says."""
        for entry in self.entries.values():
            if entry.drained_for not in (None, entry.model.id):
                entry.drained_for = None
        plans: dict[str, Plan] = {}
        for entry in [each for each in self.entries.values() if each.wanted(now_s)]:
            try:
                plans[entry.model.id] = self._effects.planner.plan(entry.model, entry.wish(now_s))
            except MlxGuiError as error:
                self._refuse(entry, error)
        if plans:
            wanted = [self.entries[name].as_wanted(plan) for name, plan in plans.items()]
            steps = decide(wanted, self.residents(), limits=self.limits(), now_s=now_s)
            self._take(steps, plans)
        else:
            steps = ()
        self._wake(now_s, steps)

    def _take(self, steps: Iterable[Step], plans: dict[str, Plan]) -> None:
        for step in steps:
            entry = self.entries[step.model_id]
            entry.waits_because = None
            match step:
                case Load(model_id):
                    self._load(entry, plans[model_id])
                case Evict(model_id, leavers):
                    entry.waits_because = _waits_for(leavers)
                    for each in leavers:
                        self.evict(self.entries[each.model_id], each.reason, cause=model_id)
                case Drain(model_id, leavers):
                    entry.waits_because = _waits_for(leavers)
                    for each in leavers:
                        self.entries[each.model_id].drained_for = model_id
                        self.decisions.note(
                            "drain", each.model_id, reason=each.reason, cause=model_id
                        )
                case Wait(model_id, reason):
                    entry.waits_because = reason
                    self.decisions.note("wait", model_id, reason=reason)
                case Refuse(_, error):
                    self._refuse(entry, error)

    def _load(self, entry: Entry, plan: Plan) -> None:
        entry.plan = plan
        entry.loaded_wish = entry.wish(loop_time_s())
        entry.drained_for = None
        # Its turn begins when it is ready, not with what an earlier worker left here.
        entry.ready_since_s = NEVER_S
        entry.load_span = (loop_time_s(), NEVER_S)
        entry.worker = self._effects.start_worker(plan.spec)
        self.reconsider_spare()
        entry.load_timer = asyncio.get_running_loop().call_later(
            self._settings().load_timeout_s, self._post, self._on_load_timeout, entry.worker
        )
        waiting = len(entry.queue) + len(entry.load_waiters)
        reason = f"{waiting} waiting for it" if waiting else "it is kept loaded"
        self.decisions.note("load", entry.model.id, reason=reason)
        log.info("model_loading", model=entry.model.id, form=plan.spec.weight_form)
        self.changed(entry)

    def _grant(self, entry: Entry, submission: Submission) -> None:
        assert entry.worker is not None, "a free credit has a worker"
        submission.stop_timer()
        entry.stop_expiry()
        entry.keep_alive(submission.keep_alive_s)
        entry.leases[submission.ask.id] = Lease(submission)
        entry.worker.answer(submission.ask, submission.mailbox)
        submission.observer.granted(submission.ask)
        self.changed(entry)

    def _refuse(self, entry: Entry, error: MlxGuiError) -> None:
        self.decisions.note("refuse", entry.model.id, reason=error.message)
        if entry.load_waiters or entry.kept:
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
            self._post(_nothing)
        self.changed(entry)

    def _wake(self, now_s: float, steps: Iterable[Step]) -> None:
        """See to it that `advance` runs when a turn or a back-off is over."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        times = [step.until_s for step in steps if isinstance(step, Wait)]
        times += [
            entry.not_before_s
            for entry in self.entries.values()
            if entry.worker is None and entry.asked_for
        ]
        times = [each for each in times if now_s < each < float("inf")]
        if times:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_at(min(times), self._post, _nothing)

    # --- what is true, for the policy and for plans ------------------------------------------

    def residents(self) -> tuple[Resident, ...]:
        """Everything that has a worker, as the policy sees it."""
        return tuple(
            entry.as_resident(self._settings().turn_s)
            for entry in self.entries.values()
            if entry.worker is not None and entry.plan is not None
        )

    def limits(self) -> Limits:
        """What the policy has to keep within now."""
        budget = self._effects.budget()
        short = self.pressure == "critical"
        return Limits(
            budget.now_bytes,
            budget.static_bytes,
            self._settings().max_models,
            self._settings().turn_s,
            because=budget.static_reason,
            loads_paused="is not loaded while the system is short of memory" if short else "",
            settled_s=self._last_exit_s + SETTLED_S,
        )

    def plan(self, model: Model, wish: Wish) -> Plan:
        """What a load takes. Raises ModelUnsupported, ModelTooLarge and NotReady."""
        return self._effects.planner.plan(model, wish)

    def load_plan(
        self, model: Model, wish: Wish, settings: ModelSettings | None = None
    ) -> LoadPlan:
        """What loading `model` now would do, with other `settings` if those are given.

        Raises ModelUnsupported, ModelTooLarge and NotReady.
        """
        plan = self._effects.planner.plan(model, wish, settings)
        limits, residents = self.limits(), self.residents()
        pinned_bytes = sum(
            each.held_bytes for each in residents if each.pinned and each.model_id != model.id
        )
        room_bytes = limits.budget_bytes - pinned_bytes
        return explain(
            plan,
            residents,
            limits=limits,
            now_s=loop_time_s(),
            max_context=self._effects.planner.largest_context(model, room_bytes),
            boot_id=self._boot_id,
        )

    def outdated(self, entry: Entry) -> bool:
        """Whether the worker of `entry` holds something else than a load would hold now.

        It takes no new request then, and leaves when those under way have ended.
        """
        if entry.worker is None or entry.plan is None:
            return False
        return not self.answers_wish(entry, entry.wish(loop_time_s()))

    def _outdated_because(self, entry: Entry) -> str:
        wish = entry.wish(loop_time_s())
        if wish.room_tokens > entry.loaded_wish.room_tokens and entry.worker is not None:
            held = entry.worker.spec.context
            return f"a prompt waits that is too long for its context of {held:,} tokens"
        if wish.context_tokens != entry.loaded_wish.context_tokens:
            return "a load with another context was asked for"
        return "its settings changed"

    def answers_wish(self, entry: Entry, wish: Wish) -> bool:
        """Whether a load with `wish` would make the worker of `entry` what it is."""
        assert entry.plan is not None, "a worker has a plan"
        return self._effects.planner.holds(entry.model, wish, entry.plan)

    def refuse_hopeless(self, entry: Entry) -> None:
        """Raise at once what waiting would not mend."""
        if entry.worker is not None:
            return
        planner = self._effects.planner
        wish = entry.wish(loop_time_s())
        failed = entry.plan if entry.failures_in_a_row >= FAILURES_UNTIL_REFUSAL else None
        if failed is not None and not planner.holds(entry.model, wish, failed):
            # What failed was another load: the settings have changed since.
            entry.failures_in_a_row = 0
        if entry.error is not None and entry.failures_in_a_row >= FAILURES_UNTIL_REFUSAL:
            raise LoadFailed(
                f"{entry.model.id} failed {entry.failures_in_a_row} times in a row. "
                f"{entry.error.message}",
                hint=f"Mend the cause, then load it: mlx-gui load {entry.model.id}",
            )
        planner.plan(entry.model, wish)

    def entry(self, model: Model) -> Entry:
        """The notes about `model`, made when it is first asked for."""
        standing = self._effects.planner.standing(model)
        entry = self.entries.setdefault(model.id, Entry(model, standing))
        entry.model, entry.standing, entry.removed = model, standing, False
        return entry

    def stand_anew(self) -> None:
        """The settings have changed by which models stand among each other."""
        for entry in self.entries.values():
            entry.standing = self._effects.planner.standing(entry.model)
            self.renew_expiry(entry)
        self.reconsider_spare()

    def entry_of(self, worker: WorkerProcess) -> Entry | None:
        """The notes about the model of `worker`; None when another worker has taken its place."""
        entry = self.entries.get(worker.spec.model_id)
        return entry if entry is not None and entry.worker is worker else None

    def reconsider_spare(self) -> None:
        """Something has changed that a worker in reserve depends on."""
        self._spare_due = True

    def _judge_spare(self) -> None:
        """Keep one only while half of the budget is free; start none while a load is on its way.

        One that is there stays meanwhile: the load may be the one that takes it.
        """
        held_bytes = sum(each.held_bytes for each in self.residents())
        plentiful = 2 * held_bytes <= self.limits().budget_bytes
        if self.stopping or self.pressure != "normal" or not plentiful:
            self._effects.allow_spare(False)
        elif not any(each.asked_for for each in self.entries.values() if not each.ready):
            self._effects.allow_spare(True)

    # --- the end of a worker -----------------------------------------------------------------

    def stop_worker(
        self,
        entry: Entry,
        action: Literal["evict", "expire", "unload", "reload", "recycle"],
        reason: str,
        *,
        cause: str | None = None,
    ) -> None:
        """Begin to end the worker of `entry`, if it has one that is not ending already."""
        if entry.worker is None or entry.leaving:
            return
        entry.stop_expiry()
        self.decisions.note(action, entry.model.id, reason=reason, cause=cause)
        log.info("model_unloading", model=entry.model.id, reason=reason)
        entry.worker.stop()
        self.changed(entry)

    def evict(self, entry: Entry, reason: str, *, cause: str | None = None) -> None:
        """End an idle worker for the sake of others."""
        if entry.leaving:
            return
        entry.evictions += 1
        entry.evicted_because = f"made room for {cause}: {reason}" if cause else reason
        self.stop_worker(entry, "evict", reason, cause=cause)

    def forget(self, model_id: str) -> None:
        """A model is not installed any more: it leaves when what has come by now is answered."""
        entry = self.entries.get(model_id)
        if entry is None:
            return
        entry.kept, entry.removed = False, True
        if entry.worker is not None:
            entry.leave_when_idle("it is not installed any more")
        self._bus.publish("manager")

    def _forget_removed(self) -> None:
        gone = [
            entry.model.id
            for entry in self.entries.values()
            if entry.removed and entry.worker is None and not entry.asked_for
        ]
        for model_id in gone:
            del self.entries[model_id]

    def note_exit(self, entry: Entry) -> None:
        """A worker is gone: its model waits for memory from now on, if anybody wants it."""
        self._last_exit_s = entry.without_worker_since_s = loop_time_s()
        self.reconsider_spare()

    def stop_unasked_load(self, entry: Entry) -> None:
        """End a load that nobody waits for any more."""
        if entry.worker is not None and entry.worker.ready is None and not entry.asked_for:
            self.stop_worker(entry, "unload", "nobody waits for it any more")

    def back_off(self, entry: Entry) -> None:
        """After a failure: the first successor starts at once, later ones ever later."""
        failures = entry.failures_in_a_row
        delay_s = self._settings().back_off_s * 2 ** (failures - 2) if failures >= 2 else 0
        entry.not_before_s = loop_time_s() + min(delay_s, _LONGEST_BACK_OFF_S)

    # --- idle models -------------------------------------------------------------------------

    def touch(self, entry: Entry) -> None:
        """Note a use, and start the keep-alive anew if nobody uses the model now."""
        loop = asyncio.get_running_loop()
        entry.last_used_s, entry.last_used_at = loop.time(), time.time()
        self.renew_expiry(entry)

    def renew_expiry(self, entry: Entry) -> None:
        """Let the model stay for its keep-alive from its last use on."""
        loop = asyncio.get_running_loop()
        entry.stop_expiry()
        keep_alive_s = self._keep_alive_s(entry)
        lasting = keep_alive_s < 0 or entry.standing.pinned
        if entry.idle and not lasting and not self.stopping:
            expires_s = entry.last_used_s + keep_alive_s
            entry.expires_s = expires_s
            entry.expires_at = time.time() + max(expires_s - loop.time(), 0)
            entry.expiry = loop.call_at(expires_s, self._post, self._on_expiry, entry, expires_s)
        self.changed(entry)

    def note_ready(self, worker: WorkerProcess) -> None:
        """Remember what a load took."""
        self._effects.note_ready(worker)
        self.reconsider_spare()

    def note_missing(self) -> None:
        """The folder of a model is gone, so that there may be more that nobody has told of."""
        self._effects.note_missing()

    def when_idle(self, entry: Entry) -> None:
        """What is due when a model has answered all: a worker that has grown old is replaced."""
        if not entry.idle or entry.worker is None or entry.plan is None:
            return
        reason = self._effects.recycle_reason(entry.worker, entry.plan)
        if reason is not None:
            entry.kept = entry.standing.pinned
            self.stop_worker(entry, "recycle", reason)

    def fail_stuck(self) -> None:
        """After a fault of ours: nobody may wait for a load that could not even be begun."""
        for entry in self.entries.values():
            if entry.worker is None and entry.asked_for:
                entry.fail_waiting(InternalError("The model could not be loaded."))

    def changed(self, entry: Entry) -> None:
        """Tell whoever shows `entry`."""
        self._bus.publish("models", entry.model.id)
        self._bus.publish("manager")

    def _keep_alive_s(self, entry: Entry) -> float:
        """What a request said last, else the model's setting, else the server's."""
        for each in (entry.keep_alive_s, entry.standing.keep_alive_s):
            if each is not None:
                return each
        return self._settings().keep_alive_s

    def _on_load_timeout(self, worker: WorkerProcess) -> None:
        entry = self.entry_of(worker)
        if entry is None or worker.ready is not None:
            return
        error = LoadTimeout(
            f"Loading {entry.model.id} took more than {self._settings().load_timeout_s:g} s.",
            hint="Raise load_timeout_s if the disk is slow.",
            retry_after_s=5,
        )
        entry.error = error.info()
        entry.failures_in_a_row += 1
        entry.fail_waiting(error)
        self.stop_worker(entry, "unload", "its load timed out")

    def _on_expiry(self, entry: Entry, expires_s: float) -> None:
        if entry.expiry is None or entry.expires_s != expires_s:
            # A use that was noted between the timer and this has renewed it.
            return
        entry.expiry = None
        if entry.idle and not entry.standing.pinned:
            self.stop_worker(entry, "expire", "its keep-alive is over")


def _waits_for(leavers: Iterable[Leaver]) -> str:
    return f"room is made by {', '.join(each.model_id for each in leavers)}"


def _nothing() -> None:
    """An event that only lets the run loop look again."""
