"""Jobs by their owner: how they run, rest, end, and are known again."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import msgspec
import pytest
from structlog.testing import capture_logs

from mlx_gui.control.jobs.back_off import BackOff
from mlx_gui.control.jobs.base import JobContext, Resting
from mlx_gui.control.jobs.kinds import JOB_KINDS
from mlx_gui.control.jobs.owner import KEPT_ENDED, MOST_RUNNING, Jobs
from mlx_gui.control.jobs.refusals import MOST_WAITING
from mlx_gui.core.errors import (
    Conflict,
    DiskFull,
    FetchFailed,
    HubUnreachable,
    NotFound,
    QueueFull,
    ShuttingDown,
)
from mlx_gui.core.job import Job, JobState
from mlx_gui.store.database import DATABASE_FILE, Store
from mlx_gui.store.errors import StoreError
from mlx_gui.store.jobs import all_jobs, keep_job

DEADLINE_S = 30


@dataclass(frozen=True, slots=True)
class Chore:
    """Work that does as the test says."""

    name: ClassVar[str] = "test"
    unit: ClassVar[str] = "steps"
    goes_on: ClassVar[bool] = False

    label: str

    @property
    def title(self) -> str:
        return f"Do {self.label}"

    @property
    def installs(self) -> str:
        return f"org/{self.label}"

    async def run(self, context: JobContext) -> None:
        await cast("Bench", context.tools).run(self.label, context)

    async def discard(self, context: JobContext) -> None:
        cast("Bench", context.tools).discarded.append(self.label)


@dataclass(frozen=True, slots=True)
class Journey(Chore):
    """The same, but each run goes on where the one before was."""

    name: ClassVar[str] = "journey"
    goes_on: ClassVar[bool] = True


class Bench:
    """Where the work happens: it goes on when the test lets it, and ends as the test says."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.cleared: list[str] = []
        self.discarded: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.faults: dict[str, BaseException] = {}
        self.reports: list[tuple[str, int, int]] = [("half", 1, 2)]

    async def run(self, label: str, context: JobContext) -> None:
        self.runs.append(label)
        for stage, done, total in self.reports:
            context.report(stage, done, total)
        try:
            if label in self.gates:
                await self.gates[label].wait()
            if label in self.faults:
                raise self.faults[label]
        finally:
            self.cleared.append(label)

    def hold(self, *labels: str) -> None:
        self.gates.update({label: asyncio.Event() for label in labels})

    def release(self, label: str) -> None:
        self.gates[label].set()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


@asynccontextmanager
async def running(
    store: Store,
    bench: Bench,
    *,
    resume: bool = True,
    marks: list[str] | None = None,
    most: dict[str, Callable[[], int]] | None = None,
) -> AsyncGenerator[Jobs]:
    jobs = Jobs(
        store,
        kinds={"test": Chore, "journey": Journey},
        most=most or {},
        tools=cast(Any, bench),
        publish=lambda job_id: None if marks is None else marks.append(job_id),
        keep_every_s=0.01,
    )
    await jobs.recall(resume=resume)
    jobs.begin()
    try:
        yield jobs
    finally:
        await jobs.close()


async def reached(jobs: Jobs, job: Job, *states: JobState) -> Job:
    async with asyncio.timeout(DEADLINE_S):
        async for now in jobs.follow(job.id):
            if now.state in states:
                return now
    raise AssertionError(f"{jobs.get(job.id)} is none of {states}")


async def reported(jobs: Jobs, job: Job) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async for now in jobs.follow(job.id):
            if now.stage:
                return


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await scenario()

    asyncio.run(bounded())


def stored(store: Store) -> dict[str, Job]:
    return {job.id: job for job in asyncio.run(store.read(all_jobs))}


ARGUMENTS: dict[str, dict[str, object]] = {
    "import": {"path": "/models/one", "mode": "copy", "form": "folder"},
    "convert": {
        "source_id": "org/two", "path": "/models/two",
        "bits": 4, "group_size": 64, "mode": "affine",
    },
    "benchmark": {"trials": [{"prompt_tokens": 512, "answer_tokens": 128, "at_once": 4}]},
}  # fmt: skip


def test_each_kind_is_found_by_its_name_and_made_of_its_arguments_again() -> None:
    assert JOB_KINDS
    for name, kind in JOB_KINDS.items():
        assert kind.name == name
        arguments = {"model_id": "org/one", **ARGUMENTS.get(name, {})}
        made = msgspec.json.decode(msgspec.json.encode(arguments), type=kind)
        assert msgspec.json.decode(msgspec.json.encode(made), type=kind) == made
        assert "org/one" in made.title


def test_a_job_runs_tells_how_far_it_is_and_is_done(store: Store) -> None:
    bench, marks = Bench(), list[str]()

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench, marks=marks) as jobs:
            job = await jobs.start(Chore("one"))
            await reported(jobs, job)
            half = jobs.get(job.id)
            assert (half.state, half.stage, half.done, half.total) == ("running", "half", 1, 2)
            assert (half.title, half.unit, half.ended_at) == ("Do one", "steps", None)
            assert jobs.installing() == {"org/one": half}
            bench.release("one")
            done = await reached(jobs, job, "done")
            assert done.ended_at is not None
            assert jobs.installing() == {}
            assert jobs.newest_first() == [done]
        assert set(marks) == {job.id}

    play(scenario)
    (kept,) = stored(store).values()
    assert (kept.state, kept.stage, kept.done) == ("done", "half", 1)
    assert bench.discarded == []


def test_progress_is_kept_while_the_work_goes_on(store: Store) -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            while not (await store.read(all_jobs))[0].stage:
                await asyncio.sleep(0)
            assert (await store.read(all_jobs))[0].id == job.id

    play(scenario)


def test_a_total_that_nobody_knows_is_none(store: Store) -> None:
    bench = Bench()
    bench.reports = [("wait", 0, 0)]

    async def scenario() -> None:
        async with running(store, bench) as jobs:
            done = await reached(jobs, await jobs.start(Chore("one")), "done")
            assert (done.stage, done.total) == ("wait", None)

    play(scenario)


def test_the_same_work_is_begun_once(store: Store) -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            first, second = await asyncio.gather(*(jobs.start(Chore("one")) for _ in range(2)))
            assert first.id == second.id
            bench.release("one")
            await reached(jobs, first, "done")
            again = await jobs.start(Chore("one"))
            assert again.id != first.id
            await reached(jobs, again, "done")

    play(scenario)
    assert bench.runs == ["one", "one"]


def test_two_that_bring_a_model_of_one_name_are_not_in_each_others_way(store: Store) -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            first, refused = await asyncio.gather(
                jobs.start(Chore("one")), jobs.start(Journey("one")), return_exceptions=True
            )
            assert isinstance(first, Job)
            assert isinstance(refused, Conflict)
            assert refused.details == {"model": "org/one", "job": first.id}
            await jobs.pause(first.id)
            with pytest.raises(Conflict, match="being installed already"):
                await jobs.start(Journey("one"))
            assert jobs.bringing("org/one") == jobs.get(first.id)
            await jobs.cancel(first.id)
            assert jobs.bringing("org/one") is None
            bench.faults["one"] = Conflict("No.")
            bench.release("one")
            failed = await reached(jobs, await jobs.start(Journey("one")), "failed")
            bench.hold("one")
            await jobs.start(Chore("one"))
            with pytest.raises(Conflict, match="being installed already"):
                await jobs.resume(failed.id)

    play(scenario)


def test_what_is_wanted_while_it_is_cancelled_or_forgotten_is_begun_anew_or_told(
    store: Store,
) -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            first = await jobs.start(Chore("one"))
            await reported(jobs, first)
            cancelled, second = await asyncio.gather(
                jobs.cancel(first.id), jobs.start(Chore("one"))
            )
            assert (cancelled.state, second.ended) == ("cancelled", False)
            assert second.id != first.id
            bench.faults["one"] = Conflict("No.")
            bench.release("one")
            await reached(jobs, second, "failed")
            _, late = await asyncio.gather(
                jobs.remove(second.id), jobs.resume(second.id), return_exceptions=True
            )
            assert isinstance(late, NotFound)
            assert jobs.find(second.id) is None

    play(scenario)
    assert [job.state for job in stored(store).values()] == ["cancelled"]


def test_two_orders_at_once_are_one_after_the_other(store: Store) -> None:
    bench = Bench()
    labels = [f"{number}" for number in range(5)]

    async def scenario() -> None:
        bench.hold(*labels)
        async with running(store, bench) as jobs:
            ids = [(await jobs.start(Chore(label))).id for label in labels]
            await asyncio.gather(jobs.order(ids[::-1]), jobs.order([ids[2], ids[0]]))
            by_turn = [job.id for job in jobs.by_turn()]
            assert by_turn[:2] == [ids[2], ids[0]]
            assert [jobs.get(each).position for each in by_turn] == list(range(5))

    play(scenario)


def test_a_few_run_at_a_time_and_the_others_in_the_order_in_which_they_came(store: Store) -> None:
    bench = Bench()
    labels = [f"{number}" for number in range(MOST_RUNNING + 2)]

    async def scenario() -> None:
        bench.hold(*labels)
        async with running(store, bench) as jobs:
            started = [await jobs.start(Chore(label)) for label in labels]
            await reported(jobs, started[MOST_RUNNING - 1])
            assert bench.runs == labels[:MOST_RUNNING]
            assert [jobs.get(job.id).state for job in started[MOST_RUNNING:]] == ["queued"] * 2
            bench.release(labels[0])
            await reported(jobs, started[MOST_RUNNING])
            assert bench.runs == labels[: MOST_RUNNING + 1]

    play(scenario)


def test_nothing_runs_before_the_owner_has_begun(store: Store) -> None:
    bench = Bench()

    async def scenario() -> None:
        jobs = Jobs(store, kinds={"test": Chore}, tools=cast(Any, bench), publish=lambda _: None)
        job = await jobs.start(Chore("one"))
        assert job.state == "queued"
        assert bench.runs == []
        jobs.begin()
        await reached(jobs, job, "done")
        await jobs.close()

    play(scenario)


def test_a_job_that_fails_says_why_and_may_try_again(store: Store) -> None:
    bench = Bench()
    bench.faults["one"] = FetchFailed("The registry is silent.", hint="Ask it later.")

    async def scenario() -> None:
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            failed = await reached(jobs, job, "failed")
            assert failed.error is not None
            assert failed.error.code == "fetch_failed"
            assert failed.error.message == "The registry is silent."
            assert failed.error.hint == "Ask it later."
            for refused in (jobs.pause, jobs.cancel):
                with pytest.raises(Conflict, match="is failed"):
                    await refused(job.id)
            del bench.faults["one"]
            queued = await jobs.resume(job.id)
            assert (queued.error, queued.ended_at, queued.stage) == (None, None, "")
            assert (await reached(jobs, job, "done")).id == job.id

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "code", "logged"),
    [
        (RuntimeError("a fault of ours"), "internal_error", True),
        (asyncio.CancelledError(), "internal_error", True),
        (StoreError("It is locked.", hint="Close it."), "store_unavailable", False),
        (DiskFull("It is full."), "disk_full", False),
    ],
)
def test_whatever_the_work_raises_is_the_jobs_error(
    store: Store, fault: BaseException, code: str, logged: bool
) -> None:
    bench = Bench()
    bench.faults["one"] = fault

    async def scenario() -> None:
        async with running(store, bench) as jobs:
            failed = await reached(jobs, await jobs.start(Chore("one")), "failed")
            assert failed.error is not None
            assert failed.error.code == code

    with capture_logs() as logs:
        play(scenario)
    assert ("task_failed" in [line["event"] for line in logs]) == logged


def test_a_paused_job_rests_until_it_is_resumed(store: Store) -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            await reported(jobs, job)
            paused = await jobs.pause(job.id)
            assert (paused.state, paused.stage) == ("paused", "half")
            assert bench.cleared == ["one"]
            assert (await jobs.pause(job.id)).state == "paused"
            assert jobs.installing() == {}
            bench.release("one")
            assert (await jobs.resume(job.id)).state == "running"
            await reached(jobs, job, "done")

    play(scenario)
    assert bench.runs == ["one", "one"]
    assert bench.discarded == []


def test_to_start_what_is_paused_is_to_resume_it(store: Store) -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            await jobs.pause(job.id)
            bench.release("one")
            assert (await jobs.start(Chore("one"))).id == job.id
            await reached(jobs, job, "done")

    play(scenario)


def test_one_that_waits_can_be_paused_and_cancelled_too(store: Store) -> None:
    bench = Bench()
    labels = [f"{number}" for number in range(MOST_RUNNING)]

    async def scenario() -> None:
        bench.hold(*labels)
        async with running(store, bench) as jobs:
            for label in labels:
                await jobs.start(Chore(label))
            waiting = await jobs.start(Chore("waiting"))
            assert (await jobs.pause(waiting.id)).state == "paused"
            assert (await jobs.resume(waiting.id)).state == "queued"
            assert (await jobs.cancel(waiting.id)).state == "cancelled"
        assert "waiting" not in bench.runs

    play(scenario)
    assert bench.discarded == ["waiting"]


def test_a_cancelled_job_has_ended_and_left_nothing(store: Store) -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            await reported(jobs, job)
            first, second = await asyncio.gather(
                jobs.cancel(job.id), jobs.cancel(job.id), return_exceptions=True
            )
            assert isinstance(first, Job)
            assert first.state == "cancelled"
            assert isinstance(second, Conflict)
            assert (bench.cleared, bench.discarded) == (["one"], ["one"])
            with pytest.raises(Conflict, match="cannot go on any more"):
                await jobs.resume(job.id)

    play(scenario)
    assert [job.state for job in stored(store).values()] == ["cancelled"]


def test_a_cancellation_that_meets_a_fault_is_a_cancellation(store: Store) -> None:
    bench = Bench()

    class Stubborn(Bench):
        async def run(self, label: str, context: JobContext) -> None:
            try:
                await super().run(label, context)
            except asyncio.CancelledError:
                raise RuntimeError("it broke while it ended") from None

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            await reported(jobs, job)
            assert (await jobs.cancel(job.id)).state == "cancelled"
            again = await jobs.start(Chore("one"))
            await reported(jobs, again)
            # Who pauses it is told instead that it failed.
            assert (await jobs.pause(again.id)).state == "failed"

    bench = Stubborn()
    play(scenario)


def test_what_cannot_be_discarded_does_not_keep_the_job(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()

    async def broken(self: Chore, context: JobContext) -> None:
        raise OSError("the folder is gone")

    monkeypatch.setattr(Chore, "discard", broken)

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            assert (await jobs.cancel(job.id)).state == "cancelled"

    play(scenario)


def test_only_what_has_ended_is_removed(store: Store) -> None:
    bench = Bench()
    bench.faults["bad"] = FetchFailed("No.")

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            with pytest.raises(Conflict, match="is running"):
                await jobs.remove(job.id)
            bench.release("one")
            await reached(jobs, job, "done")
            await jobs.remove(job.id)
            for asked in (jobs.pause, jobs.resume, jobs.cancel, jobs.remove):
                with pytest.raises(NotFound, match="There is no job"):
                    await asked(job.id)
            with pytest.raises(NotFound):
                jobs.get(job.id)
            bad = await jobs.start(Chore("bad"))
            await reached(jobs, bad, "failed")
            await jobs.remove(bad.id)

    play(scenario)
    assert bench.discarded == ["bad"]
    assert stored(store) == {}


def test_what_a_server_that_ends_interrupts_goes_on_with_the_next(store: Store) -> None:
    bench = Bench()

    async def first() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            await reported(jobs, await jobs.start(Chore("one")))
        (job,) = jobs.newest_first()
        assert (job.state, job.stage) == ("queued", "")
        with pytest.raises(ShuttingDown):
            await jobs.start(Chore("two"))

    async def second() -> None:
        bench.gates.clear()
        async with running(store, bench) as jobs:
            (job,) = jobs.newest_first()
            await reached(jobs, job, "done")

    play(first)
    assert [job.state for job in stored(store).values()] == ["queued"]
    play(second)
    assert bench.runs == ["one", "one"]


def crashed(store: Store) -> None:
    """A job that ran when its server was killed."""
    job = Job("job-1", "test", '{"label":"one"}', "Do one", "running", 1.0, 2.0, stage="half")
    asyncio.run(store.write(lambda connection: keep_job(connection, job)))


def test_what_a_crash_interrupted_goes_on_by_itself(store: Store) -> None:
    bench = Bench()
    crashed(store)

    async def scenario() -> None:
        async with running(store, bench) as jobs:
            await reached(jobs, jobs.get("job-1"), "done")

    play(scenario)


def test_in_safe_mode_it_rests_until_somebody_wants_it(store: Store) -> None:
    bench = Bench()
    crashed(store)

    async def scenario() -> None:
        async with running(store, bench, resume=False) as jobs:
            assert jobs.get("job-1").state == "paused"
            assert (await store.read(all_jobs))[0].state == "paused"
            assert bench.runs == []
            await jobs.resume("job-1")
            await reached(jobs, jobs.get("job-1"), "done")

    play(scenario)


def test_in_safe_mode_too_what_goes_on_goes_on(store: Store) -> None:
    bench = Bench()
    job = Job("job-1", "journey", '{"label":"one"}', "Do one", "running", 1.0, 2.0, stage="half")
    asyncio.run(store.write(lambda connection: keep_job(connection, job)))

    async def scenario() -> None:
        async with running(store, bench, resume=False) as jobs:
            await reached(jobs, job, "done")

    play(scenario)


@pytest.mark.parametrize(("kind", "arguments"), [("lost", "{}"), ("test", '{"other":1}')])
def test_a_job_of_another_version_fails_with_a_sentence(
    store: Store, kind: str, arguments: str
) -> None:
    job = Job("job-1", kind, arguments, "Do it", "paused", 1.0, 2.0)
    asyncio.run(store.write(lambda connection: keep_job(connection, job)))

    async def scenario() -> None:
        async with running(store, Bench()) as jobs:
            assert jobs.installing() == {}
            await jobs.resume("job-1")
            failed = await reached(jobs, job, "failed")
            assert failed.error is not None
            assert "This version of mlx-gui has no job" in failed.error.message
            await jobs.remove("job-1")

    play(scenario)


def test_the_oldest_that_have_ended_are_forgotten(store: Store) -> None:
    old = [
        Job(f"job-{number}", "test", '{"label":"x"}', "Do x", "done", number, number, number)
        for number in range(KEPT_ENDED)
    ]

    async def scenario() -> None:
        for job in old:
            await store.write(lambda connection, job=job: keep_job(connection, job))
        async with running(store, Bench()) as jobs:
            await reached(jobs, await jobs.start(Chore("one")), "done")
        assert len(jobs.newest_first()) == KEPT_ENDED
        with pytest.raises(NotFound):
            jobs.get("job-0")

    play(scenario)
    assert len(stored(store)) == KEPT_ENDED


def test_too_many_that_wait_are_refused(store: Store) -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.hold("0", "1")
        async with running(store, bench) as jobs:
            for number in range(MOST_WAITING):
                await jobs.start(Chore(f"{number}"))
            with pytest.raises(QueueFull, match="have not ended yet"):
                await jobs.start(Chore("more"))
            paused = await jobs.pause(jobs.newest_first()[0].id)
            assert (await jobs.resume(paused.id)).state == "queued"

    play(scenario)


def test_what_cannot_be_kept_is_not_begun_and_what_runs_goes_on(
    store: Store, tmp_path: Path
) -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            await reported(jobs, job)
            with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as other:
                other.execute("DROP TABLE jobs")
                other.commit()
            with pytest.raises(Exception, match="no such table"):
                await jobs.start(Chore("two"))
            bench.release("one")
            await reached(jobs, job, "done")

    with capture_logs() as logs:
        play(scenario)
    assert [line["job"] for line in logs if line["event"] == "job_not_kept"]


def test_those_that_wait_may_be_put_into_another_order(store: Store) -> None:
    bench = Bench()
    labels = ["0", "1", "2", "3", "4"]

    async def first() -> None:
        bench.hold(*labels)
        async with running(store, bench) as jobs:
            started = [await jobs.start(Chore(label)) for label in labels]
            await reported(jobs, started[1])
            await jobs.order([started[4].id, started[2].id])
            turns = [job.title for job in jobs.by_turn() if job.state == "queued"]
            assert turns == ["Do 4", "Do 2", "Do 3"]
            bench.release("0")
            await reported(jobs, started[4])
            assert bench.runs == ["0", "1", "4"]
            assert [job.title for job in jobs.newest_first()] == [
                f"Do {label}" for label in reversed(labels)
            ]
            with pytest.raises(Conflict, match="is done"):
                await jobs.order([started[0].id])
            with pytest.raises(NotFound):
                await jobs.order(["lost"])

    async def second() -> None:
        bench.runs.clear()
        bench.hold(*labels)
        async with running(store, bench) as jobs:
            assert [job.title for job in jobs.by_turn() if not job.ended] == [
                "Do 4",
                "Do 2",
                "Do 1",
                "Do 3",
            ]

    play(first)
    play(second)


def test_kinds_with_a_number_of_their_own_hold_up_no_others(store: Store) -> None:
    bench = Bench()
    labels = ["a", "b", "c"]
    most = 1

    async def scenario() -> None:
        nonlocal most
        bench.hold(*labels, "other")
        async with running(store, bench, most={"journey": lambda: most}) as jobs:
            started = [await jobs.start(Journey(label)) for label in labels]
            await reported(jobs, await jobs.start(Chore("other")))
            assert sorted(bench.runs) == ["a", "other"]
            most = 2
            jobs.look_again()
            await reported(jobs, started[1])
            assert jobs.get(started[2].id).state == "queued"

    play(scenario)


def test_progress_of_what_goes_on_holds_until_it_does(store: Store) -> None:
    bench = Bench()

    async def first() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Journey("one"))
            await reported(jobs, job)
            await jobs.pause(job.id)
            again = await jobs.resume(job.id)
            assert (again.stage, again.done, again.total) == ("half", 1, 2)

    play(first)
    (kept,) = stored(store).values()
    assert (kept.state, kept.stage, kept.done, kept.total) == ("queued", "half", 1, 2)


def test_work_that_somebody_must_help_rests_with_the_reason(store: Store) -> None:
    bench = Bench()
    bench.faults["one"] = Resting(DiskFull("It is full.", hint="Free some."))

    async def scenario() -> None:
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            rests = await reached(jobs, job, "paused")
            assert rests.error is not None
            assert (rests.error.code, rests.error.message) == ("disk_full", "It is full.")
            del bench.faults["one"]
            assert (await jobs.resume(job.id)).error is None
            await reached(jobs, job, "done")

    play(scenario)


def test_work_that_waits_for_what_passes_is_tried_again_by_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlx_gui.control.jobs.back_off._FIRST_S", 0.01)
    bench = Bench()
    bench.faults["one"] = Resting(HubUnreachable("It is away."), passes=True)

    async def scenario() -> None:
        async with running(store, bench, most={"journey": lambda: 1}) as jobs:
            with capture_logs() as logs:
                job = rests = await jobs.start(Journey("one"))
                while len(bench.runs) < 4:
                    await reached(jobs, job, "running")
                    rests = await reached(jobs, job, "queued")
                assert rests.error is not None
                assert rests.retry_at is not None
                assert rests.error.message == "It is away."
                assert jobs.installing() == {"org/one": rests}
                # While it waits others have their turn.
                await reached(jobs, await jobs.start(Journey("two")), "done")
                del bench.faults["one"]
                done = await reached(jobs, job, "done")
            assert (done.error, done.retry_at) == (None, None)
            assert [each["event"] for each in logs].count("job_tried_again") == 1

    play(scenario)


def test_work_that_waits_goes_on_at_once_when_that_is_wanted_and_rests_too(store: Store) -> None:
    bench = Bench()
    away = Resting(HubUnreachable("It is away.", retry_after_s=10_000), passes=True)
    bench.faults.update({"one": away, "two": away})

    async def scenario() -> None:
        async with running(store, bench) as jobs:
            one, two = await jobs.start(Journey("one")), await jobs.start(Journey("two"))
            async with asyncio.timeout(DEADLINE_S):
                async for now in jobs.follow(one.id):
                    if now.retry_at is not None:
                        break
                async for now in jobs.follow(two.id):
                    if now.retry_at is not None:
                        break
            paused = await jobs.pause(two.id)
            assert (paused.state, paused.retry_at) == ("paused", None)
            del bench.faults["one"]
            assert (await jobs.resume(one.id)).error is None
            await reached(jobs, one, "done")
            assert (await jobs.cancel(two.id)).state == "cancelled"

    play(scenario)


def test_a_row_of_runs_in_vain_is_tried_ever_more_seldom() -> None:
    back_off, away = BackOff(), HubUnreachable("It is away.")
    assert [back_off.rest_s(away, done=0) for _ in range(6)] == [5, 10, 20, 40, 60, 60]
    assert back_off.rest_s(away, done=1) == 5
    assert back_off.begins
    assert back_off.rest_s(HubUnreachable("Wait.", retry_after_s=300), done=1) == 300


def test_what_is_unfinished_stays_where_that_is_wanted(store: Store) -> None:
    bench = Bench()
    bench.faults["bad"] = FetchFailed("No.")

    async def scenario() -> None:
        bench.hold("one")
        async with running(store, bench) as jobs:
            job = await jobs.start(Chore("one"))
            await reported(jobs, job)
            assert (await jobs.cancel(job.id, leave=True)).state == "cancelled"
            bad = await jobs.start(Chore("bad"))
            await reached(jobs, bad, "failed")
            await jobs.remove(bad.id, leave=True)

    play(scenario)
    assert bench.discarded == []


def test_a_kind_may_say_more_of_how_far_it_is(store: Store) -> None:
    bench = Bench()

    class Talking(Bench):
        async def run(self, label: str, context: JobContext) -> None:
            context.report("half", 1, 2, detail='{"file":"a"}')
            context.report("more", 2, 2)
            await super().run(label, context)

    bench = Talking()

    async def scenario() -> None:
        async with running(store, bench) as jobs:
            done = await reached(jobs, await jobs.start(Chore("one")), "done")
            assert done.detail == '{"file":"a"}'

    play(scenario)
    (kept,) = stored(store).values()
    assert kept.detail == '{"file":"a"}'
