"""The warm spare, as a real process with the real libraries: begun, taken, lost, ended."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.control.workers.warm_spare import WarmSpare
from mlx_gui.core.errors import LoadFailed
from mlx_gui.core.generation import Usage
from tests.engines.remote import ask
from tests.process.workers import (
    DEADLINE_S,
    Observed,
    answer,
    fake_spec,
    settings,
    text_spec,
)
from tests.support.waiting import wait_until
from tests.zoo.cache import checkpoint

pytestmark = pytest.mark.usefixtures("known_machine")

FAKE = "mlx_gui.engines.fake.text"
TEXT = "mlx_gui.engines.text.engine"
OWNER = """
import asyncio, sys
from pathlib import Path
from mlx_gui.control.workers.warm_spare import WarmSpare
from tests.process.workers import settings

async def own():
    spare = WarmSpare(lambda: settings(Path(sys.argv[1])), engine=sys.argv[2])
    spare.ensure(allowed=True)
    if sys.argv[3] == "warm":
        while not spare.warm:
            await asyncio.sleep(0.01)
    while spare.pid is None:
        await asyncio.sleep(0)
    print(spare.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(own())
"""


async def warmed(spare: WarmSpare) -> None:
    """Until the spare can be taken."""
    while not spare.warm:
        await asyncio.sleep(0.01)


def with_spare(
    folder: Path, work: Callable[[WarmSpare], Awaitable[None]], *, engine: str = FAKE
) -> None:
    """Does `work` with a spare that is warm, and ends whatever is left of it."""

    async def run() -> None:
        spare = WarmSpare(lambda: settings(folder), engine=engine)
        spare.ensure(allowed=True)
        async with asyncio.timeout(DEADLINE_S):
            await warmed(spare)
            await work(spare)
            await spare.close()

    asyncio.run(run())
    assert not children()


def children() -> list[psutil.Process]:
    return psutil.Process().children()


def test_a_taken_spare_loads_a_real_model_and_answers_as_any_worker(tmp_path: Path) -> None:
    folder = checkpoint("Qwen3-tiny")

    async def work(spare: WarmSpare) -> None:
        held_bytes = spare.held_bytes()
        assert held_bytes > 20_000_000
        child = spare.take(text_spec(folder))
        assert child is not None
        pid = child.pid
        assert spare.take(text_spec(folder)) is None
        assert spare.held_bytes() == 0

        observed = Observed()
        worker = WorkerProcess(text_spec(folder), settings(tmp_path), observed, child=child)
        await observed.ready.wait()
        assert worker.pid == pid
        events = await answer(worker, ask("Hello", max_tokens=4))
        assert isinstance(events[-1], Usage)
        assert psutil.Process(pid).nice() == psutil.Process().nice()
        worker.stop()
        await worker.wait()
        assert observed.error is None

    with_spare(tmp_path, work, engine=TEXT)


def test_a_spare_of_another_engine_is_not_taken_and_stays(tmp_path: Path) -> None:
    async def work(spare: WarmSpare) -> None:
        assert spare.take(text_spec(tmp_path)) is None
        child = spare.take(fake_spec())
        assert child is not None
        ended = await child.stop(ask_s=DEADLINE_S, terminate_s=0)
        assert ended.clean

    with_spare(tmp_path, work)


def test_one_spare_is_enough(tmp_path: Path) -> None:
    async def work(spare: WarmSpare) -> None:
        spare.ensure(allowed=True)
        assert len(children()) == 1

    with_spare(tmp_path, work)


def test_a_spare_that_is_no_more_allowed_ends_and_comes_back_when_it_is(tmp_path: Path) -> None:
    async def work(spare: WarmSpare) -> None:
        spare.ensure(allowed=False)
        assert spare.take(fake_spec()) is None
        await spare.close()
        assert not children()
        spare.ensure(allowed=True)
        await warmed(spare)
        assert len(children()) == 1

    with_spare(tmp_path, work)


def test_a_spare_that_died_is_not_taken_and_is_replaced_twice(tmp_path: Path) -> None:
    async def work(spare: WarmSpare) -> None:
        for times in range(1, 4):
            (child,) = children()
            child.kill()
            await spare.wait_ended()
            assert spare.take(fake_spec()) is None
            spare.ensure(allowed=True)
            if times < 3:
                await warmed(spare)
        await spare.wait_ended()
        assert not children()

    with_spare(tmp_path, work)


def test_a_spare_that_dies_when_it_is_taken_is_not_the_models_fault(tmp_path: Path) -> None:
    async def work(spare: WarmSpare) -> None:
        child = spare.take(fake_spec())
        assert child is not None
        dead = child.pid
        psutil.Process(dead).kill()
        observed = Observed()
        worker = WorkerProcess(fake_spec(), settings(tmp_path), observed, child=child)
        await observed.ready.wait()
        assert worker.pid not in (None, dead)
        assert isinstance((await answer(worker, ask("Hello")))[-1], Usage)
        worker.stop()
        await worker.wait()
        assert observed.error is None

    with_spare(tmp_path, work)


@pytest.mark.parametrize("name", ["broken", "dies"])
def test_a_model_that_a_spare_cannot_load_has_failed(name: str, tmp_path: Path) -> None:
    async def work(spare: WarmSpare) -> None:
        child = spare.take(fake_spec("slow-load" if name == "dies" else name))
        assert child is not None
        observed = Observed()
        worker = WorkerProcess(
            fake_spec("slow-load" if name == "dies" else name),
            settings(tmp_path),
            observed,
            child=child,
        )
        if name == "dies":
            await observed.progressed.wait()
            child.signal(signal.SIGSEGV)
        await worker.wait()
        assert type(observed.error) is LoadFailed

    with_spare(tmp_path, work)


def test_whoever_shows_the_spare_hears_that_it_comes_is_warm_and_goes(tmp_path: Path) -> None:
    heard: list[tuple[bool, bool]] = []

    async def run() -> None:
        spare = WarmSpare(
            lambda: settings(tmp_path),
            engine=FAKE,
            on_change=lambda: heard.append((spare.pid is not None, spare.warm)),
        )
        spare.ensure(allowed=True)
        async with asyncio.timeout(DEADLINE_S):
            await warmed(spare)
            await spare.close()

    asyncio.run(run())
    assert heard == [(True, False), (True, True), (False, False)]


@pytest.mark.parametrize("moment", ["warming", "warm"])
def test_no_spare_outlives_whoever_began_it(moment: str, tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), TEXT, moment],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with owner:
        assert owner.stdout is not None
        spare = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    wait_until(lambda: not spare.is_running(), what="the spare to end")
