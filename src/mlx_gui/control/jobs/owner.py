"""All jobs, their one owner, and the order in which they run."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import structlog

from mlx_gui.control.jobs import refusals
from mlx_gui.control.jobs.back_off import BackOff
from mlx_gui.control.jobs.base import JobContext, JobKind, JobTools, Resting
from mlx_gui.control.jobs.faults import error_of, is_ours
from mlx_gui.control.supervision import fault_of, finished
from mlx_gui.core.errors import Conflict, NotFound, ShuttingDown
from mlx_gui.core.job import Job, JobState
from mlx_gui.store.database import Store
from mlx_gui.store.jobs import all_jobs, forget_jobs, keep_job

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MOST_RUNNING = 2
KEPT_ENDED = 100
_KEEP_EVERY_S = 1.0

_NOT_BEGUN: Mapping[str, Any] = {"stage": "", "done": 0, "total": None, "error": None, "detail": ""}


@dataclass(slots=True)
class _Entry:
    """A job, its work while it runs, and how that is to end if it is not left to itself."""

    job: Job
    kept: Job | None
    """What the store has of it; None when it could not be told."""
    installs: str | None
    work: asyncio.Task[None] | None = None
    attendant: asyncio.Task[None] | None = None
    wish: Literal["finish", "pause", "cancel", "requeue"] = "finish"
    ahead: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the work has reported, and nobody is told before the store has it."""
    leaves: bool = False
    """Whether what is unfinished stays when it is cancelled."""
    back_off: BackOff = field(default_factory=BackOff)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever pauses, resumes, cancels or removes it."""


class Jobs:
    """Starts jobs, runs a few of them at a time, keeps all, and tells of each change.

    Called on the event loop. `publish` is told the id of whatever changed. `most` says for some
    kinds how many of them run at a time; all others share MOST_RUNNING.
    """

    def __init__(
        self,
        store: Store,
        *,
        kinds: Mapping[str, type[JobKind]],
        tools: JobTools,
        publish: Callable[[str], None],
        most: Mapping[str, Callable[[], int]] = MappingProxyType({}),
        keep_every_s: float = _KEEP_EVERY_S,
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._tools = tools
        self._publish = publish
        self._most = most
        self._keep_every_s = keep_every_s
        self._entries: dict[str, _Entry] = {}
        self._starting = asyncio.Lock()
        self._stage: Literal["before", "running", "closed"] = "before"

    async def recall(self, *, resume: bool) -> None:
        """Knows again what the store has; whatever did not come to its end is queued again.

        Without `resume` it is paused until somebody wants it, unless its kind goes on where it was:
        that work was not at fault. Raises StoreError.
        """
        for job in await self._store.read(all_jobs):
            entry = self._add(job)
            if job.state in ("queued", "running"):
                state: JobState = "queued" if resume or self._goes_on(job) else "paused"
                self._change(entry, state=state, **self._before(entry))
                await self._keep(entry)

    def begin(self) -> None:
        """From now on queued jobs run."""
        self._stage = "running"
        self._advance()

    def look_again(self) -> None:
        """Have more of them run where more may."""
        self._advance()

    async def close(self) -> None:
        """End what runs, which goes on with the next start. Raises nothing."""
        self._stage = "closed"
        for entry in self._entries.values():
            self._interrupt(entry, "requeue")
        attendants = [each.attendant for each in self._entries.values() if each.attendant]
        if attendants:
            await asyncio.wait(attendants)

    def newest_first(self) -> list[Job]:
        """Every job, the newest first."""
        jobs = sorted(self.by_turn(), key=lambda job: job.created_at)
        return jobs[::-1]

    def by_turn(self) -> list[Job]:
        """Every job; those that wait in the order in which they have their turn."""
        return [entry.job for entry in self._entries.values()]

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        return self._entry(job_id).job

    def find(self, job_id: str) -> Job | None:
        """The job; None where it is forgotten."""
        entry = self._entries.get(job_id)
        return None if entry is None else entry.job

    def installing(self) -> dict[str, Job]:
        """The models that will be there without anybody doing more, each with its job."""
        return {
            entry.installs: entry.job
            for entry in self._entries.values()
            if entry.installs is not None and entry.job.state in ("queued", "running")
        }

    def bringing(self, model_id: str) -> Job | None:
        """The job that brings a model of that name and has not ended, be it at work or not."""
        for entry in self._entries.values():
            if entry.installs == model_id and not entry.job.ended:
                return entry.job
        return None

    async def follow(self, job_id: str) -> AsyncGenerator[Job]:
        """The job as it is now and after each change, until it has ended. Raises NotFound.

        Who reads slowly misses some changes, but never the last one.
        """
        entry = self._entry(job_id)
        while True:
            job, changed = entry.job, entry.changed
            yield job
            if job.ended:
                return
            await changed.wait()

    async def start(self, kind: JobKind) -> Job:
        """The job that does this work: a new one, or the one that does it already.

        Raises Conflict where another one brings a model of that name, QueueFull, ShuttingDown, and
        StoreError or DiskFull when it could not be kept.
        """
        arguments = msgspec.json.encode(kind).decode()
        async with self._starting:
            twin = self._twin(kind.name, arguments)
            if twin is not None and (job := await self.go_on(twin.job.id)) is not None:
                return job
            self._refuse_rival(kind.installs)
            self._refuse_more()
            now = time.time()
            job = Job(
                id=f"job-{secrets.token_hex(6)}",
                kind=kind.name,
                arguments=arguments,
                title=kind.title,
                state="queued",
                created_at=now,
                updated_at=now,
                unit=kind.unit,
                position=1 + max((job.position for job in self.by_turn()), default=-1),
            )
            await self._store.write(lambda connection: keep_job(connection, job))
            self._add(job)
        self._publish(job.id)
        self._advance()
        return self.get(job.id)

    async def order(self, ids: Sequence[str]) -> None:
        """Those named have their turn before all others that wait. Raises NotFound, Conflict."""
        # A new one is put behind all others, and two orders at once would be a third one.
        async with self._starting:
            first = {job_id: self._entry(job_id) for job_id in ids}
            for entry in first.values():
                refusals.refuse_ended(entry.job, "be put into an order")
            self._entries = {**first, **self._entries}
            waiting = [entry for entry in self._entries.values() if not entry.job.ended]
            for position, entry in enumerate(waiting):
                if entry.job.position != position:
                    self._change(entry, position=position)
                    await self._keep(entry)

    async def pause(self, job_id: str) -> Job:
        """The job, which does nothing until it is resumed. Raises NotFound, Conflict."""
        entry = self._entry(job_id)
        async with self._asked(entry):
            refusals.refuse_ended(entry.job, "be paused")
            await self._interrupted(entry, "pause")
            if entry.job.state == "queued":
                self._change(entry, state="paused")
                await self._keep(entry)
            return entry.job

    async def resume(self, job_id: str) -> Job:
        """The job, which has its turn again, also after it failed. Raises NotFound, Conflict."""
        entry = self._entry(job_id)
        async with self._asked(entry):
            if entry.job.state == "failed":
                self._refuse_rival(entry.installs)
                self._refuse_more()
            else:
                refusals.refuse_ended(entry.job, "go on")
            if entry.job.state in ("paused", "failed") or entry.job.retry_at is not None:
                self._change(entry, state="queued", ended_at=None, **self._before(entry))
                await self._keep(entry)
                self._advance()
            return entry.job

    async def go_on(self, job_id: str) -> Job | None:
        """As `resume`; None where it was cancelled or forgotten before it could."""
        try:
            return await self.resume(job_id)
        except (Conflict, NotFound):
            job = self.find(job_id)
            if job is not None and job.state != "cancelled":
                raise
            return None

    async def cancel(self, job_id: str, *, leave: bool = False) -> Job:
        """The job, which is over and has left nothing unfinished. Raises NotFound, Conflict.

        One that was done before the cancellation reached it is done. With `leave` what is
        unfinished stays, for whoever begins the same anew.
        """
        entry = self._entry(job_id)
        async with self._asked(entry):
            refusals.refuse_ended(entry.job, "be cancelled")
            entry.leaves = leave
            await self._interrupted(entry, "cancel")
            if not entry.job.ended:
                # It waits, and is not to begin while what it has left is removed.
                self._change(entry, state="paused")
                await self._discard(entry)
                self._end(entry, "cancelled")
                await self._keep(entry)
            return entry.job

    async def remove(self, job_id: str, *, leave: bool = False) -> None:
        """Forgets a job that has ended; with `leave` what is unfinished stays.

        Raises NotFound, Conflict, StoreError.
        """
        entry = self._entry(job_id)
        async with self._asked(entry):
            entry.leaves = leave
            refusals.refuse_unended(entry.job)
            if entry.job.state == "failed":
                await self._discard(entry)
            await self._forget([job_id])

    @asynccontextmanager
    async def _asked(self, entry: _Entry) -> AsyncGenerator[None]:
        """One demand after the other, and none while the store is told how the job ended.

        Raises NotFound where the demand before has made the job be forgotten.
        """
        async with entry.lock:
            if entry.job.ended and entry.attendant is not None:
                await asyncio.wait((entry.attendant,))
            self._entry(entry.job.id)
            yield

    def _add(self, job: Job) -> _Entry:
        try:
            installs = self._kind(job).installs
        except Conflict:
            installs = None
        entry = self._entries[job.id] = _Entry(job, kept=job, installs=installs)
        return entry

    def _entry(self, job_id: str) -> _Entry:
        if job_id not in self._entries:
            raise refusals.no_job(job_id)
        return self._entries[job_id]

    def _twin(self, kind: str, arguments: str) -> _Entry | None:
        for entry in self._entries.values():
            job = entry.job
            if not job.ended and (job.kind, job.arguments) == (kind, arguments):
                return entry
        return None

    def _refuse_rival(self, model_id: str | None) -> None:
        if model_id is not None and (rival := self.bringing(model_id)) is not None:
            refusals.refuse_rival(model_id, rival)

    def _refuse_more(self) -> None:
        if self._stage == "closed":
            raise ShuttingDown("The server is stopping.", hint="Try again when it runs again.")
        refusals.refuse_more(sum(not entry.job.ended for entry in self._entries.values()))

    def _kind(self, job: Job) -> JobKind:
        """Raises Conflict for what another version has left that this one does not know."""
        try:
            return msgspec.json.decode(job.arguments, type=self._kinds[job.kind])
        except (KeyError, msgspec.DecodeError) as error:
            raise refusals.not_known(job) from error

    def _advance(self) -> None:
        """Have the oldest queued jobs run, as far as there is room."""
        if self._stage != "running":
            return
        running = Counter(self._lane(entry) for entry in self._entries.values() if entry.attendant)
        for entry in self._entries.values():
            lane = self._lane(entry)
            if running[lane] >= self._most.get(lane, lambda: MOST_RUNNING)():
                continue
            waits = entry.job.state == "queued" and entry.job.retry_at is None
            if waits and entry.attendant is None:
                running[lane] += 1
                self._change(entry, state="running")
                entry.wish = "finish"
                entry.work = asyncio.create_task(self._run(entry), name=entry.job.id)
                entry.attendant = asyncio.create_task(
                    self._attend(entry, entry.work), name=f"attendant of {entry.job.id}"
                )

    def _lane(self, entry: _Entry) -> str:
        """Those that share a number of how many run at a time."""
        return entry.job.kind if entry.job.kind in self._most else ""

    def _before(self, entry: _Entry) -> Mapping[str, Any]:
        """How far it is before its next run."""
        return {"error": None} if self._goes_on(entry.job) else _NOT_BEGUN

    def _goes_on(self, job: Job) -> bool:
        try:
            return self._kind(job).goes_on
        except Conflict:
            return False

    async def _attend(self, entry: _Entry, work: asyncio.Task[None]) -> None:
        """Sees the work to whatever end it comes to; its progress is kept now and then."""
        while not work.done():
            await self._keep(entry)
            await asyncio.wait((work,), timeout=self._keep_every_s)
        self._catch_up(entry)
        fault = asyncio.CancelledError() if work.cancelled() else work.exception()
        if fault is not None and entry.wish == "cancel":
            await self._discard(entry)
        entry.work = None
        self._settle(entry, fault)
        await self._keep(entry)
        await self._forget_oldest()
        entry.attendant = None
        self._advance()

    async def _run(self, entry: _Entry) -> None:
        await self._kind(entry.job).run(self._context(entry))

    def _context(self, entry: _Entry) -> JobContext:
        goes_on = self._goes_on(entry.job)

        def report(stage: str, done: int, total: int, *, detail: str | None = None) -> None:
            said = {} if detail is None else {"detail": detail}
            entry.ahead |= {"stage": stage, "done": done, "total": total or None, **said}
            if not goes_on:
                self._catch_up(entry)

        return JobContext(self._tools, report, entry.job)

    def _settle(self, entry: _Entry, fault: BaseException | None) -> None:
        """The state that follows from how the work ended and how it was meant to."""
        interrupted = isinstance(fault, asyncio.CancelledError)
        if fault is None:
            self._end(entry, "done")
        elif entry.wish == "cancel":
            self._end(entry, "cancelled")
        elif interrupted and entry.wish == "pause":
            self._change(entry, state="paused")
        elif interrupted and entry.wish == "requeue":
            self._change(entry, state="queued", **self._before(entry))
        elif isinstance(fault, Resting):
            self._rest(entry, fault)
        else:
            if is_ours(fault):
                log.error("task_failed", task=entry.job.id, exc_info=fault)
            self._end(entry, "failed", error=error_of(fault))

    def _rest(self, entry: _Entry, fault: Resting) -> None:
        error, again = fault.error.info(), fault.passes and entry.wish != "pause"
        if not again:
            self._change(entry, state="paused", error=error)
            log.info("job_rests", job=entry.job.id, reason=error.message)
            return
        rest_s = entry.back_off.rest_s(fault.error, done=entry.job.done)
        retry_at = time.time() + rest_s
        self._change(entry, state="queued", error=error, retry_at=retry_at)
        asyncio.get_running_loop().call_later(rest_s, self._try_again, entry, retry_at)
        if entry.back_off.begins:
            log.info("job_tried_again", job=entry.job.id, reason=error.message, in_s=rest_s)

    def _try_again(self, entry: _Entry, retry_at: float) -> None:
        if entry.job.retry_at == retry_at and self._stage == "running":
            self._change(entry, state="queued", **self._before(entry))
            self._advance()

    def _interrupt(self, entry: _Entry, wish: Literal["pause", "cancel", "requeue"]) -> None:
        """Whoever wants it over has the last word."""
        if entry.work is not None:
            entry.wish = "cancel" if entry.wish == "cancel" else wish
            entry.work.cancel()

    async def _interrupted(self, entry: _Entry, wish: Literal["pause", "cancel"]) -> None:
        """Returns when the work has ended, in whatever way, or at once where it does not run."""
        if entry.attendant is not None:
            self._interrupt(entry, wish)
            await asyncio.wait((entry.attendant,))

    def _end(
        self, entry: _Entry, state: Literal["done", "failed", "cancelled"], **changes: Any
    ) -> None:
        self._change(entry, state=state, ended_at=time.time(), **changes)
        job = entry.job
        reason = job.error.message if job.error is not None else None
        log.info("job_ended", job=job.id, title=job.title, state=state, reason=reason)

    def _change(self, entry: _Entry, **changes: Any) -> None:
        if "state" in changes:
            changes = {"retry_at": None, **changes}
        entry.job = msgspec.structs.replace(entry.job, updated_at=time.time(), **changes)
        entry.changed.set()
        entry.changed = asyncio.Event()
        self._publish(entry.job.id)

    async def _discard(self, entry: _Entry) -> None:
        """What goes wrong there is logged: the job is over all the same."""
        if entry.leaves:
            return
        await finished("discard", self._thrown_away(entry))

    async def _thrown_away(self, entry: _Entry) -> None:
        await self._kind(entry.job).discard(self._context(entry))

    def _catch_up(self, entry: _Entry) -> None:
        """Tell what the work has reported."""
        if entry.ahead:
            ahead, entry.ahead = entry.ahead, {}
            self._change(entry, **ahead)

    async def _keep(self, entry: _Entry) -> None:
        """A job that cannot be kept now goes on; the log says so when that begins.

        What has been told of progress that still holds after a crash must not be lost by one, so
        that the store has it first.
        """
        if entry.job is entry.kept and not entry.ahead:
            return
        ahead, entry.ahead = entry.ahead, {}
        job = msgspec.structs.replace(entry.job, **ahead)
        fault = await fault_of("keep", self._write(job))
        if ahead:
            self._change(entry, **ahead)
        if fault is None:
            entry.kept = entry.job if ahead else job
        elif entry.kept is not None:
            entry.kept = None
            log.error("job_not_kept", job=job.id, reason=error_of(fault).message)

    async def _write(self, job: Job) -> None:
        await self._store.write(lambda connection: keep_job(connection, job))

    async def _forget_oldest(self) -> None:
        ended = [entry.job for entry in self._entries.values() if entry.job.ended]
        ended.sort(key=lambda job: job.ended_at or 0)
        if surplus := [job.id for job in ended[: max(0, len(ended) - KEPT_ENDED)]]:
            await finished("forget", self._forget(surplus))

    async def _forget(self, ids: list[str]) -> None:
        await self._store.write(lambda connection: forget_jobs(connection, ids))
        for job_id in ids:
            entry = self._entries.get(job_id)
            # One that failed may have been tried again meanwhile.
            if entry is None or entry.job.ended:
                self._entries.pop(job_id, None)
                self._publish(job_id)
