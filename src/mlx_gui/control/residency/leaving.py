"""How a worker comes to its end: its keep-alive, who asks it to leave, age, failure, shutdown."""

import asyncio
import time

import structlog

from mlx_gui.control.plans.wish import Wish
from mlx_gui.control.residency.entry import NEVER_RAN_OUT_S, Entry, loop_time_s, resolve
from mlx_gui.control.residency.models import Models
from mlx_gui.control.residency.relief import Relief
from mlx_gui.control.residency.views import UnloadOutcome
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.core.errors import (
    Conflict,
    MlxGuiError,
    ModelNotFound,
    ShuttingDown,
    WorkerFailed,
    WorkerOutOfMemory,
)
from mlx_gui.core.model import Model
from mlx_gui.core.units import format_bytes

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_LONGEST_BACK_OFF_S = 30.0
_GROWTH_SHARE = 0.25
_GROWTH_BYTES = 512_000_000


class Leaving:
    """Belongs to the run loop, which calls one method after the other.

    What a method raises is the answer to whoever posted the event.
    """

    def __init__(self, models: Models, relief: Relief) -> None:
        self._models = models
        self._relief = relief
        self._unloads: dict[WorkerProcess, list[asyncio.Future[UnloadOutcome]]] = {}
        """Who waits to hear what came back, by the worker that has ended."""

    # --- who asks it to leave ----------------------------------------------------------------

    def on_unload(
        self, model: Model, force: bool, when_idle: bool, waiter: asyncio.Future[UnloadOutcome]
    ) -> None:
        entry = self._models.entry(model)
        asked_for = entry.asked_for
        waiting = len(entry.leases) + len(entry.queue)
        if waiting and not (force or when_idle):
            raise Conflict(
                f"{model.id} has {waiting} requests under way.",
                hint="Unload it when they have finished, or with force=true to end them.",
                details={"active": len(entry.leases), "queued": len(entry.queue)},
            )
        entry.load.kept, entry.load.ran_out_s = False, NEVER_RAN_OUT_S
        if entry.worker is None and (not asked_for or (waiting and when_idle)):
            entry.error = None
            entry.load.forgive()
            resolve(waiter, UnloadOutcome(was_loaded=False))
            self._models.changed(entry)
            return
        if waiting and when_idle:
            entry.leave.waiters.append(waiter)
            entry.leave.when_idle("asked to leave when it has finished")
            return
        entry.fail_waiting(Conflict(f"{model.id} was unloaded meanwhile."))
        if entry.worker is None:
            resolve(waiter, UnloadOutcome(was_loaded=False))
            self._models.changed(entry)
            return
        entry.leave.waiters.append(waiter)
        self._models.stop_worker(entry, "unload", "somebody asked for it")

    def on_removed(self, model_ids: tuple[str, ...]) -> None:
        """These are not installed any more: each leaves when what has come by now is answered."""
        for model_id in model_ids:
            entry = self._models.entries.get(model_id)
            if entry is None:
                continue
            entry.load.kept, entry.leave.removed = False, True
            if entry.worker is not None:
                entry.leave.when_idle("it is not installed any more")
            self._models.bus.publish("manager")

    def on_shutdown(self) -> None:
        self._models.stopping = True
        self._models.reconsider_spare()
        self._models.bus.publish("manager")
        for entry in self._models.entries.values():
            entry.stay.stop_expiry()
            entry.fail_waiting(ShuttingDown("The server is stopping.", retry_after_s=5))

    def stop_done(self) -> None:
        """End those that were to leave once they had answered, and have."""
        for entry in self._models.entries.values():
            if entry.ready and entry.done_before_leaving():
                self._models.stop_worker(entry, "unload", entry.leave.because)

    def forget_removed(self) -> None:
        """Keep no notes about what is not installed, not loaded and not wanted."""
        gone = [
            entry.model.id
            for entry in self._models.entries.values()
            if entry.leave.removed and entry.worker is None and not entry.asked_for
        ]
        for model_id in gone:
            del self._models.entries[model_id]

    # --- how long it stays -------------------------------------------------------------------

    def on_keep(self, model: Model, keep_alive_s: float) -> None:
        entry = self._models.entry(model)
        if entry.worker is not None:
            entry.stay.keep_alive(keep_alive_s)
            self.touch(entry)

    def on_settings_changed(self) -> None:
        """What they say of how the models stand among each other holds from now on."""
        for entry in self._models.entries.values():
            entry.standing = self._models.effects.planner.standing(entry.model)
            self._renew_expiry(entry)
        self._models.reconsider_spare()
        self._relief.shed()

    def touch(self, entry: Entry) -> None:
        """Note a use, and start the keep-alive anew if nobody uses the model now."""
        entry.stay.last_used_s, entry.stay.last_used_at = loop_time_s(), time.time()
        self._renew_expiry(entry)

    def _renew_expiry(self, entry: Entry) -> None:
        """Let the model stay for its keep-alive from its last use on."""
        stay = entry.stay
        stay.stop_expiry()
        keep_alive_s = self._keep_alive_s(entry)
        lasting = keep_alive_s < 0 or entry.standing.pinned
        if entry.idle and not lasting and not self._models.stopping:
            expires_s = stay.last_used_s + keep_alive_s
            stay.expires_s = expires_s
            stay.expires_at = time.time() + max(expires_s - loop_time_s(), 0)
            stay.timer = asyncio.get_running_loop().call_at(
                expires_s, self._models.post, self._on_expiry, entry, expires_s
            )
        self._models.changed(entry)

    def _keep_alive_s(self, entry: Entry) -> float:
        """What a request said last, else the model's setting, else the server's."""
        for each in (entry.stay.keep_alive_s, entry.standing.keep_alive_s):
            if each is not None:
                return each
        return self._models.settings.keep_alive_s

    def _on_expiry(self, entry: Entry, expires_s: float) -> None:
        if entry.stay.timer is None or entry.stay.expires_s != expires_s:
            # A use that was noted between the timer and this has renewed it.
            return
        entry.stay.timer = None
        if entry.idle and not entry.standing.pinned:
            self._models.stop_worker(entry, "expire", "its keep-alive is over")

    def replace_aged(self, entry: Entry) -> None:
        """What is due when a model has answered all: a worker that has grown old is replaced."""
        memory = None if entry.worker is None else entry.worker.memory
        if not entry.idle or entry.worker is None or memory is None or entry.plan is None:
            return
        reason = recycle_reason(
            served=entry.worker.served,
            recycle_requests=self._models.settings.recycle_requests,
            used_bytes=memory.rss_bytes - memory.kv_bytes - memory.prefix_bytes,
            need_bytes=entry.plan.need.weights_bytes + entry.plan.need.overhead_bytes,
        )
        if reason is not None:
            entry.load.kept = entry.standing.pinned
            self._models.stop_worker(entry, "recycle", reason)

    # --- its end -----------------------------------------------------------------------------

    def on_worker_exited(self, worker: WorkerProcess, error: MlxGuiError | None) -> None:
        entry = self._models.entry_of(worker)
        if entry is None:
            return
        entry.load.end()
        entry.stay.stop_expiry()
        entry.worker = None
        entry.stay.keep_alive_s = None
        entry.leave.drained_for = entry.leave.after_s = None
        self._models.note_exit(entry)
        self._end_leases(entry, error)
        if error is not None:
            self._on_failure(entry, worker, error)
        else:
            log.info("model_unloaded", model=entry.model.id)
        entry.load.wish = Wish()
        self._unloads[worker], entry.leave.waiters = entry.leave.waiters, []
        self._models.changed(entry)
        self._models.bus.publish("memory")

    def _end_leases(self, entry: Entry, error: MlxGuiError | None) -> None:
        """The worker has told how its requests ended, unless a fault of ours kept it from that."""
        error = error or WorkerFailed(f"The worker of {entry.model.id} has ended.")
        for lease in entry.leases.values():
            lease.submission.fail(error.info(), given_up=lease.given_up)
        entry.leases.clear()

    def _on_failure(self, entry: Entry, worker: WorkerProcess, error: MlxGuiError) -> None:
        tail = worker.exit.output_tail[-12:] if worker.exit is not None else ()
        log.error("worker_failed", model=entry.model.id, reason=error.message, output=list(tail))
        self._models.failed(entry, error)
        self._back_off(entry)
        if isinstance(error, ModelNotFound):
            # There may be more that nobody has told of.
            self._models.effects.note_missing()
        # What loads badly will do so again; a process that was killed says nothing of its model.
        hopeless = not isinstance(error, WorkerFailed) or entry.load.hopeless
        if isinstance(error, WorkerOutOfMemory):
            hopeless = not self._relief.recover(entry)
        if hopeless:
            entry.fail_waiting(error)
        elif entry.standing.pinned and not self._models.stopping:
            entry.load.kept = True

    def _back_off(self, entry: Entry) -> None:
        """After a failure: the first successor starts at once, later ones ever later."""
        failures = entry.load.failures_in_a_row
        first_s = self._models.settings.back_off_s
        delay_s = first_s * 2 ** (failures - 2) if failures >= 2 else 0
        entry.load.not_before_s = loop_time_s() + min(delay_s, _LONGEST_BACK_OFF_S)

    def on_worker_weighed(self, worker: WorkerProcess) -> None:
        """What came back of an ended worker is known, or never will be."""
        if worker.returned is not None:
            log.info(
                "memory_returned",
                model=worker.spec.model_id,
                held_bytes=worker.returned.held_bytes,
                returned_bytes=worker.returned.returned_bytes,
            )
            entry = self._models.entries.get(worker.spec.model_id)
            if entry is not None:
                entry.leave.returned = worker.returned
                self._models.changed(entry)
        for waiter in self._unloads.pop(worker, ()):
            resolve(waiter, UnloadOutcome(was_loaded=True, returned=worker.returned))
        self._models.bus.publish("memory")


def recycle_reason(
    *, served: int, recycle_requests: int, used_bytes: int, need_bytes: int
) -> str | None:
    """Why an idle worker is to be replaced, as the end of a log line; None while it is not.

    `served` requests it has answered, of at most `recycle_requests` (0 is no bound). Both amounts
    are without KV and prefix cache, which may grow as planned.
    """
    if recycle_requests and served >= recycle_requests:
        return f"it has answered {served} requests"
    grown_bytes = used_bytes - need_bytes
    if grown_bytes > max(int(need_bytes * _GROWTH_SHARE), _GROWTH_BYTES):
        used, need = format_bytes(used_bytes), format_bytes(need_bytes)
        return f"it has grown to {used}, and was planned with {need}"
    return None
