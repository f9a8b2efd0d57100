"""All models of the run loop: the one state that asking, loading and leaving share."""

import time
from collections.abc import Callable

import structlog

from mlx_gui.bus import EventBus
from mlx_gui.control.machine.reading import Pressure
from mlx_gui.control.residency.decisions import DecisionLog, OnMark
from mlx_gui.control.residency.departures import Departure, OnDeparture
from mlx_gui.control.residency.effects import Effects, ResidencySettings
from mlx_gui.control.residency.entry import Entry, loop_time_s
from mlx_gui.control.residency.policy import Limits, Resident
from mlx_gui.control.residency.views import LeaveAction, Left
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.control.workers.weighing import SETTLED_S
from mlx_gui.core.errors import MlxGuiError, ShuttingDown
from mlx_gui.core.model import Model

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Models:
    """The entries, and what is true of all of them. Belongs to the run loop; nobody else calls it.

    `post` puts a call into the run loop's inbox: timers fire between its events, never inside one.
    """

    def __init__(
        self,
        settings: Callable[[], ResidencySettings],
        effects: Effects,
        *,
        bus: EventBus,
        post: Callable[..., None],
        on_mark: OnMark,
        on_departure: OnDeparture,
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self.decisions = DecisionLog(time.time, on_mark=on_mark)
        self._on_mark = on_mark
        self._on_departure = on_departure
        self.stopping = False
        self.pressure: Pressure = "normal"
        self.effects = effects
        self.bus = bus
        self.post = post
        self._settings = settings
        self._last_exit_s = -SETTLED_S
        self._spare_due = True

    @property
    def settings(self) -> ResidencySettings:
        """The limits that hold now."""
        return self._settings()

    def entry(self, model: Model) -> Entry:
        """The notes about `model`, made when it is first asked for."""
        standing = self.effects.planner.standing(model)
        entry = self.entries.setdefault(model.id, Entry(model, standing))
        entry.model, entry.standing, entry.leave.removed = model, standing, False
        return entry

    def entry_of(self, worker: WorkerProcess) -> Entry | None:
        """The notes about the model of `worker`; None when another worker has taken its place."""
        entry = self.entries.get(worker.spec.model_id)
        return entry if entry is not None and entry.worker is worker else None

    def residents(self) -> tuple[Resident, ...]:
        """Everything that has a worker, as the policy sees it."""
        turn_s = self.settings.turn_s
        return tuple(
            entry.as_resident(turn_s)
            for entry in self.entries.values()
            if entry.worker is not None and entry.plan is not None
        )

    def limits(self) -> Limits:
        """What the policy has to keep within now."""
        budget = self.effects.budget()
        short = self.pressure == "critical"
        return Limits(
            budget.now_bytes,
            budget.static_bytes,
            self.settings.max_models,
            self.settings.turn_s,
            because=budget.static_reason,
            loads_paused="is not loaded while the system is short of memory" if short else "",
            settled_s=self._last_exit_s + SETTLED_S,
        )

    def note_exit(self, entry: Entry) -> None:
        """A worker is gone: its model waits for memory from now on, if anybody wants it."""
        self._last_exit_s = entry.leave.gone_since_s = loop_time_s()
        self.reconsider_spare()

    def failed(self, entry: Entry, error: MlxGuiError) -> None:
        """The model of `entry` has failed, while it loaded or later."""
        entry.load.failures_in_a_row += 1
        entry.error, entry.leave.left = error.info(), None
        self._on_mark("failure", entry.model.id, text=error.message)

    def refuse_when_stopping(self) -> None:
        """Raises ShuttingDown."""
        if self.stopping:
            raise ShuttingDown("The server is stopping.", retry_after_s=5)

    def stop_worker(
        self,
        entry: Entry,
        action: LeaveAction,
        reason: str,
        *,
        cause: str | None = None,
    ) -> None:
        """Begin to end the worker of `entry`, if it has one that is not ending already."""
        if entry.worker is None or entry.leaving:
            return
        entry.stay.stop_expiry()
        entry.leave.left = Left(time.time(), action, reason, cause)
        self.decisions.note(action, entry.model.id, reason=reason, cause=cause)
        log.info("model_unloading", model=entry.model.id, reason=reason)
        entry.worker.stop()
        self.changed(entry)

    def evict(self, entry: Entry, reason: str, *, cause: str | None = None) -> None:
        """End an idle worker for the sake of others."""
        if entry.leaving:
            return
        departure = Departure(
            entry.model.id,
            reason,
            cause,
            client=self._client_of(cause),
            wish=entry.load.wish,
            keep_alive_s=entry.stay.keep_alive_s,
        )
        self._on_departure(departure)
        entry.leave.evictions += 1
        entry.leave.evicted_because = f"made room for {cause}: {reason}" if cause else reason
        self.stop_worker(entry, "evict", reason, cause=cause)

    def _client_of(self, cause: str | None) -> str:
        """Whose request wants the model `cause` in memory; empty where none does."""
        entry = None if cause is None else self.entries.get(cause)
        first = None if entry is None else next(iter(entry.queue), None)
        return "" if first is None else first.ask.client

    def reconsider_spare(self) -> None:
        """Something has changed that a worker in reserve depends on."""
        self._spare_due = True

    def judge_spare(self) -> None:
        """Keep one only while half of the budget is free; start none while a load is on its way.

        One that is there stays meanwhile: the load may be the one that takes it. Nothing is judged
        unless something has changed.
        """
        if not self._spare_due:
            return
        self._spare_due = False
        held_bytes = sum(each.held_bytes for each in self.residents())
        plentiful = 2 * held_bytes <= self.limits().budget_bytes
        if self.stopping or self.pressure != "normal" or not plentiful:
            self.effects.allow_spare(False)
        elif not any(each.asked_for for each in self.entries.values() if not each.ready):
            self.effects.allow_spare(True)

    def changed(self, entry: Entry) -> None:
        """Tell whoever shows `entry`."""
        self.bus.publish("models", entry.model.id)
        self.bus.publish("manager")
