"""A worker's life: it hangs, is stopped in every state, outlives nobody, and gives back."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from mlx_gui.control.machine.platforms import machine_reader
from mlx_gui.control.machine.reading import MachineIdentity, MemoryReading
from mlx_gui.control.workers import process, weighing
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.core.errors import WorkerFailed, WorkerOutOfMemory
from mlx_gui.core.generation import Failed, Usage
from mlx_gui.ipc.child import Child
from tests.process.visitor import ENDLESS, Visitor, script, visited_server
from tests.process.workers import (
    DEADLINE_S,
    Observed,
    answer,
    fake_spec,
    scripted,
    settings,
)
from tests.support.server import PROGRAM
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("known_machine")

Work = Callable[[WorkerProcess, Observed], Awaitable[None]]


def live(folder: Path, work: Work, *, name: str = "echo", hang_timeout_s: float = 60) -> Observed:
    """What was observed of a worker with which `work` was done and which has ended after it."""

    async def run() -> Observed:
        observed = Observed()
        worker = WorkerProcess(
            fake_spec(name), settings(folder, hang_timeout_s=hang_timeout_s), observed
        )
        async with asyncio.timeout(DEADLINE_S):
            await work(worker, observed)
            worker.stop()
            await worker.wait()
        return observed

    return asyncio.run(run())


def test_an_idle_worker_that_is_stopped_is_found_and_ended(tmp_path: Path) -> None:
    async def work(worker: WorkerProcess, observed: Observed) -> None:
        await observed.ready.wait()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)
        await worker.wait()

    observed = live(tmp_path, work, hang_timeout_s=1)
    assert type(observed.error) is WorkerFailed
    assert "did not answer for 1 s" in observed.error.message


def test_the_requests_of_a_worker_that_hangs_get_an_error_that_invites_to_try_again(
    tmp_path: Path,
) -> None:
    async def work(worker: WorkerProcess, observed: Observed) -> None:
        await observed.ready.wait()
        events = await answer(worker, scripted(script(text="one two three", hang_after=2)))
        assert isinstance(events[-1], Failed)
        assert events[-1].error.code == "worker_failed"
        assert "did not answer for 1 s" in events[-1].error.message

    observed = live(tmp_path, work, hang_timeout_s=1)
    assert observed.ended == [("r", False)]
    assert observed.error is not None
    assert observed.error.retryable


def test_a_worker_that_is_slow_but_answers_is_left_alone(tmp_path: Path) -> None:
    async def work(worker: WorkerProcess, observed: Observed) -> None:
        await observed.ready.wait()
        slow = script(text="one two three four five six", delay_ms=400)
        events = await answer(worker, scripted(slow))
        assert isinstance(events[-1], Usage)
        assert worker.served == 1

    assert live(tmp_path, work, hang_timeout_s=1).error is None


def test_an_unloaded_worker_says_what_came_back(tmp_path: Path) -> None:
    async def work(worker: WorkerProcess, observed: Observed) -> None:
        await observed.ready.wait()
        worker.stop()
        await observed.weighed.wait()

    observed = live(tmp_path, work)
    assert observed.error is None
    assert observed.returned is not None
    assert observed.returned.held_bytes > 5_000_000


class SilentMachine:
    """One that can be read so many times, like any until this process has no descriptor left."""

    def __init__(self, readings: int) -> None:
        self._left = readings
        self._reader = machine_reader()

    def read(self) -> MemoryReading:
        if not self._left:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._left -= 1
        return self._reader.read()

    def identify(self) -> MachineIdentity:
        return self._reader.identify()


@pytest.mark.parametrize("readings", [0, 1])
def test_a_worker_ends_as_ever_where_the_system_tells_nothing_of_its_memory(
    readings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = SilentMachine(readings)

    async def work(worker: WorkerProcess, observed: Observed) -> None:
        await observed.ready.wait()
        pid = worker.pid
        monkeypatch.setattr(weighing, "machine_reader", lambda: machine)
        worker.stop()
        await worker.wait()
        await observed.weighed.wait()
        assert pid is not None
        assert not psutil.pid_exists(pid)

    observed = live(tmp_path, work)
    assert observed.error is None
    assert observed.returned is None


def fault(*_: object) -> NoReturn:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize("where", ["worker_progressed", "worker_ready", "request_ended", "weighed"])
def test_whatever_goes_wrong_around_a_worker_it_ends_and_its_exit_is_told(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = process if where == "weighed" else Observed

    async def work(worker: WorkerProcess, observed: Observed) -> None:
        if where in ("request_ended", "weighed"):
            await observed.ready.wait()
        pid = worker.pid
        with monkeypatch.context() as broken:
            broken.setattr(faulty, where, fault)
            if where == "request_ended":
                await answer(worker, scripted("hello"))
            if where == "weighed":
                worker.stop()
            await worker.wait()
        await observed.weighed.wait()
        assert worker.phase == "stopped"
        assert pid is None or not psutil.pid_exists(pid)

    error = live(tmp_path, work).error
    if where == "weighed":
        # It was asked to end, and it did.
        assert error is None
    else:
        assert type(error) is WorkerFailed
        assert "RuntimeError" in error.message


def test_a_worker_that_cannot_be_started_has_an_exit_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Child, "start", fault)

    async def work(worker: WorkerProcess, observed: Observed) -> None:
        await worker.wait()
        await observed.weighed.wait()

    error = live(tmp_path, work).error
    assert type(error) is WorkerFailed
    assert "RuntimeError" in error.message


@pytest.mark.parametrize("state", ["stopped", "loading"])
def test_whatever_a_worker_does_the_ladder_ends_it(state: str, tmp_path: Path) -> None:
    async def work(worker: WorkerProcess, observed: Observed) -> None:
        if state == "loading":
            await observed.progressed.wait()
            assert worker.ready is None
            return
        await observed.ready.wait()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)

    name = "slow-load" if state == "loading" else "echo"
    assert live(tmp_path, work, name=name).error is None


def test_a_worker_that_is_killed_by_hand_did_not_run_out_of_memory(tmp_path: Path) -> None:
    async def work(worker: WorkerProcess, observed: Observed) -> None:
        await observed.ready.wait()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        await worker.wait()
        assert worker.exit is not None
        assert worker.exit.cause == "killed"
        # Who asked it to end meanwhile waits for this.
        await observed.weighed.wait()
        assert worker.returned is None

    error = live(tmp_path, work).error
    assert isinstance(error, WorkerFailed)
    assert not isinstance(error, WorkerOutOfMemory)


@pytest.fixture
def orphans(tmp_path: Path) -> Iterator[tuple[Visitor, list[psutil.Process]]]:
    """A server with a worker inside a step; whatever the test leaves of them is killed."""
    with (
        visited_server(tmp_path, program=PROGRAM) as visitor,
        visitor.stream("fake/echo", ENDLESS) as stream,
    ):
        stream.text()
        workers = visitor.workers()
        yield visitor, workers
        for worker in workers:
            if worker.is_running():
                worker.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_even_a_worker_that_hears_nothing_dies_with_its_server(
    orphans: tuple[Visitor, list[psutil.Process]],
) -> None:
    visitor, workers = orphans
    assert workers
    for worker in workers:
        worker.suspend()
    visitor.server.process.kill()
    visitor.server.process.wait()
    wait_until(
        lambda: not any(worker.is_running() for worker in workers), what="the workers to end"
    )


def test_a_server_replaces_a_worker_that_is_stopped_and_serves_others_meanwhile(
    tmp_path: Path,
) -> None:
    with visited_server(tmp_path, settings={"hang_timeout_s": 1}) as visitor:
        with visitor.stream("fake/echo", ENDLESS) as stream:
            stream.text()
            hung = visitor.worker("fake/echo")
            hung.suspend()
            error = stream.rest()[-1]["error"]
        assert error["code"] == "worker_failed"
        assert "did not answer for 1 s" in error["message"]
        assert visitor.ask("fake/slow", "x", max_tokens=1).status_code == 200
        assert visitor.ask("fake/echo", "hello").status_code == 200
        assert visitor.worker("fake/echo").pid != hung.pid
        assert not hung.is_running()
