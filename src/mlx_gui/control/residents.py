"""The models of the run loop, and the steps from what is there towards what is wanted."""

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import msgspec
import structlog

from mlx_gui.control.bus import EventBus
from mlx_gui.control.entry import Entry, Submission
from mlx_gui.control.memory import process_rss_bytes
from mlx_gui.control.planning import Plan
from mlx_gui.control.residency import Evict, Limits, Load, Refuse, Resident, Wait, decide
from mlx_gui.control.worker_process import WorkerProcess
from mlx_gui.core.errors import (
    Conflict,
    InternalError,
    InvalidRequest,
    LoadFailed,
    LoadTimeout,
    MlxGuiError,
    PlanChanged,
)
from mlx_gui.core.model import LoadSpec, Model
from mlx_gui.core.plan import Eviction, Fit, Kept, LoadPlan, PolicyDecision

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

FAILURES_UNTIL_REFUSAL = 3


@dataclass(frozen=True, slots=True)
class ResidencySettings:
    """The limits that are held to; times in seconds, keep-alive -1 is for ever."""

    max_models: int
    max_queue: int
    queue_timeout_s: float
    load_timeout_s: float
    keep_alive_s: int
    client_stall_s: float


class Residents:
    """All entries, and what is done to them. Belongs to the run loop; nobody else calls it.

    `post` puts a call into the run loop's inbox: timers fire between its events, never inside one.
    """

    def __init__(
        self,
        settings: ResidencySettings,
        *,
        plan: Callable[[Model], Plan],
        budget_bytes: Callable[[], int],
        start_worker: Callable[[LoadSpec], WorkerProcess],
        bus: EventBus,
        post: Callable[..., None],
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self.stopping = False
        self.decisions: deque[PolicyDecision] = deque(maxlen=200)
        self._run = secrets.token_hex(4)
        self._settings = settings
        self._plan = plan
        self._budget_bytes = budget_bytes
        self._start_worker = start_worker
        self._bus = bus
        self._post = post

    def advance(self) -> None:
        """Grant credits, start loads and evict, as far as that can be done now."""
        for entry in self.entries.values():
            if (entry.queue or entry.load_waiters) and self.outdated(entry):
                if not entry.leases:
                    self.stop_worker(entry, "its settings changed")
                continue
            while (submission := entry.grantable()) is not None:
                entry.queue.popleft()
                self._grant(entry, submission)
        wanted = [entry for entry in self.entries.values() if entry.wanted]
        for entry in sorted(wanted, key=_waiting_since_s):
            self._make_resident(entry)
        for entry in self.entries.values():
            entry.tell_positions()

    def stop_worker(self, entry: Entry, reason: str) -> None:
        """Begin to end the worker of `entry`, if it has one that is not ending already."""
        worker = entry.worker
        if worker is None or worker.phase in ("stopping", "stopped"):
            return
        entry.stop_expiry()
        entry.freed_bytes = process_rss_bytes(worker.pid)
        log.info("model_unloading", model=entry.model.id, reason=reason)
        self._note("unload", entry.model.id, reason)
        worker.stop()
        self.changed(entry)

    def touch(self, entry: Entry) -> None:
        """Note a use, and start the keep-alive anew if nobody uses the model now."""
        loop = asyncio.get_running_loop()
        entry.last_used_s, entry.last_used_at = loop.time(), time.time()
        entry.stop_expiry()
        keep_alive_s = self._keep_alive_s(entry)
        if entry.idle and keep_alive_s >= 0 and not self.stopping:
            entry.expires_at = time.time() + keep_alive_s
            entry.expiry = loop.call_later(keep_alive_s, self._post, self._on_expiry, entry)
        self.changed(entry)

    def outdated(self, entry: Entry) -> bool:
        """Whether the worker of `entry` holds something else than a load would hold now.

        It takes no new request then, and leaves when those under way have ended.
        """
        plan = self._present_plan(entry)
        return entry.worker is not None and plan is not None and plan.spec != entry.worker.spec

    def load_plan(self, model: Model, context_tokens: int | None) -> LoadPlan:
        """What loading `model` would do now. Raises ModelUnsupported."""
        plan = self._plan(model)
        spec, need = plan.spec, plan.need
        if context_tokens is not None and context_tokens < spec.context:
            kv_bytes = need.kv_bytes * context_tokens // spec.context
            spec = msgspec.structs.replace(spec, context=context_tokens)
            need = msgspec.structs.replace(need, kv_bytes=kv_bytes)
        budget_bytes = self._budget_bytes()
        others = [each for each in self._residents() if each.model_id != model.id]
        limits = Limits(budget_bytes, self._settings.max_models)
        now_s, fits, leaving = asyncio.get_running_loop().time(), "yes", tuple[str, ...]()
        reason = f"{model.id} fits."
        match decide(model.id, need, tuple(others), limits):
            case Evict(model_ids):
                fits, leaving = "after_eviction", model_ids
                reason = f"{model.id} fits when {len(model_ids)} others have left."
            case Refuse(error):
                fits, reason = "no", error.message
            case Wait():
                fits, reason = "no", f"{model.id} would wait for models that are at work."
            case Load():
                pass
        stay = [each for each in others if each.model_id not in leaving]
        digest = hashlib.sha256(repr((fits, leaving)).encode()).hexdigest()[:12]
        return LoadPlan(
            model_id=model.id,
            spec=spec,
            need=need,
            measured=False,
            fits=cast(Fit, fits),
            reason=reason,
            evict=tuple(
                Eviction(
                    each.model_id,
                    each.need_bytes,
                    now_s - each.last_used_s if each.idle else None,
                    "It was used least recently.",
                )
                for each in others
                if each.model_id in leaving
            ),
            keep=tuple(
                Kept(each.model_id, "It is at work." if not each.idle else "There is room.")
                for each in stay
            ),
            budget_bytes=budget_bytes,
            used_after_bytes=sum(each.need_bytes for each in stay) + need.total_bytes,
            wanted_context=context_tokens or spec.context,
            max_context=0 if fits == "no" else spec.context,
            warnings=(),
            token=f"{self._run}.{_digest(model.id)}.{digest}",
        )

    def check_token(self, model: Model, context_tokens: int | None, token: str) -> None:
        """Raise InvalidRequest or Conflict for another's token, PlanChanged for a stale one."""
        run, _, rest = token.partition(".")
        named, _, digest = rest.partition(".")
        if not digest or (run == self._run and named != _digest(model.id)):
            raise InvalidRequest(
                f"The plan token is not one of {model.id}.",
                hint=f"Ask for a plan: mlx-gui plan {model.id}",
                param="plan_token",
            )
        if run != self._run:
            raise Conflict(
                "The plan token is of an earlier run of the server.",
                hint=f"Ask for a plan: mlx-gui plan {model.id}",
            )
        plan = self.load_plan(model, context_tokens)
        if plan.token != token:
            raise PlanChanged(
                f"Loading {model.id} would do something else now.",
                hint="Look at the new plan and load with its token.",
                plan=plan,
            )

    def refuse_hopeless(self, entry: Entry) -> None:
        """Raise at once what waiting would not mend."""
        if entry.worker is not None:
            return
        if entry.error is not None and entry.failures_in_a_row >= FAILURES_UNTIL_REFUSAL:
            raise LoadFailed(
                f"{entry.model.id} failed {entry.failures_in_a_row} times in a row. "
                f"{entry.error.message}",
                hint=f"Mend the cause, then load it: mlx-gui load {entry.model.id}",
            )
        self._plan(entry.model)

    def fail_stuck(self) -> None:
        """After a fault of ours: nobody may wait for a load that could not even be begun."""
        for entry in self.entries.values():
            if entry.wanted:
                entry.fail_waiting(InternalError("The model could not be loaded."))

    def entry(self, model: Model) -> Entry:
        """The notes about `model`, made when it is first asked for."""
        entry = self.entries.setdefault(model.id, Entry(model))
        entry.model = model
        return entry

    def entry_of(self, worker: WorkerProcess) -> Entry | None:
        """The notes about the model of `worker`; None when another worker has taken its place."""
        entry = self.entries.get(worker.spec.model_id)
        return entry if entry is not None and entry.worker is worker else None

    def changed(self, entry: Entry) -> None:
        """Tell whoever shows `entry`."""
        self._bus.publish("model", entry.model.id)
        self._bus.publish("manager")

    def _note(
        self,
        action: Literal["load", "evict", "unload"],
        subject: str,
        reason: str,
        *,
        cause: str | None = None,
    ) -> None:
        self.decisions.append(PolicyDecision(time.time(), action, subject, cause, reason))

    def _present_plan(self, entry: Entry) -> Plan | None:
        """None when it could not be loaded now; a worker that is there serves all the same."""
        try:
            return self._plan(entry.model)
        except MlxGuiError:
            return None

    def _keep_alive_s(self, entry: Entry) -> float:
        """What a request said last, else the model's setting, else the server's."""
        if entry.keep_alive_s is not None:
            return entry.keep_alive_s
        plan = self._present_plan(entry)
        if plan is None or plan.keep_alive_s is None:
            return self._settings.keep_alive_s
        return plan.keep_alive_s

    def _grant(self, entry: Entry, submission: Submission) -> None:
        assert entry.worker is not None, "a free credit has a worker"
        submission.stop_timer()
        entry.stop_expiry()
        entry.keep_alive(submission.keep_alive_s)
        entry.leases[submission.request_id] = entry.credits(submission)
        entry.worker.generate(submission.request_id, submission.request, submission.mailbox)
        self.changed(entry)

    def _make_resident(self, entry: Entry) -> None:
        try:
            plan = self._plan(entry.model)
        except MlxGuiError as error:
            entry.fail_waiting(error)
            self.changed(entry)
            return
        limits = Limits(self._budget_bytes(), self._settings.max_models)
        match decide(entry.model.id, plan.need, self._residents(), limits):
            case Load():
                entry.plan = plan
                entry.worker = self._start_worker(plan.spec)
                entry.load_timer = asyncio.get_running_loop().call_later(
                    self._settings.load_timeout_s, self._post, self._on_load_timeout, entry.worker
                )
                log.info("model_loading", model=entry.model.id, form=plan.spec.weight_form)
                self._note("load", entry.model.id, "It was asked for.")
                self.changed(entry)
            case Evict(model_ids):
                for model_id in model_ids:
                    evicted = self.entries[model_id]
                    reason = "It was used least recently."
                    self._note("evict", model_id, reason, cause=entry.model.id)
                    evicted.evictions += 1
                    evicted.evicted_because = f"made room for {entry.model.id}"
                    self.stop_worker(self.entries[model_id], f"made room for {entry.model.id}")
            case Refuse(error):
                entry.fail_waiting(error)
                self.changed(entry)
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
            for entry in self.entries.values()
            if entry.worker is not None and entry.plan is not None
        )

    def _on_load_timeout(self, worker: WorkerProcess) -> None:
        entry = self.entry_of(worker)
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
        self.stop_worker(entry, "load timed out")

    def _on_expiry(self, entry: Entry) -> None:
        entry.expiry = None
        if entry.idle:
            self.stop_worker(entry, "keep-alive over")


def _waiting_since_s(entry: Entry) -> float:
    return entry.queue[0].enqueued_s if entry.queue else 0.0


def _digest(model_id: str) -> str:
    return hashlib.sha256(model_id.encode()).hexdigest()[:8]
