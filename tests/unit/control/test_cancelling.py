"""Somebody ends a request: its reader is told, and what was computed is not forgotten."""

import asyncio

import pytest

from mlx_gui.core.ask import RequestEnd
from mlx_gui.core.errors import Conflict, ErrorInfo
from mlx_gui.core.generation import Delta, Failed
from tests.unit.control.fakes import DROPPED, asked, error_of, model
from tests.unit.control.stage import Stage, play, terminal


def told_end(stage: Stage, id: str = "1") -> RequestEnd:
    end = stage.told.end(id)
    assert end is not None, "it has ended"
    return end


def error_code(error: ErrorInfo | None) -> str | None:
    return None if error is None else error.code


def test_a_request_that_waits_leaves_the_queue_and_its_reader_is_told() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        await stage.loop.submit(model("a"), asked("0"))
        box = await stage.loop.submit(model("a"), asked("1"))
        await stage.loop.cancel("1")
        assert error_of(await terminal(box)).code == "request_cancelled"
        assert stage.loop.snapshot().queue == ()
        assert told_end(stage).outcome == "cancelled"
        assert error_code(told_end(stage).error) == "request_cancelled"

    play(scenario, slots=1)


def test_a_request_at_work_is_dropped_by_its_worker_and_its_tokens_are_told() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        box = await stage.loop.submit(model("a"), asked("1"))
        await stage.settle()
        worker.say("1")
        await stage.loop.cancel("1")
        first, last = await box.get(), await box.get()
        assert isinstance(first, Delta)
        assert isinstance(last, Failed)
        assert last.error.code == "request_cancelled"
        await stage.settle()
        end = told_end(stage)
        assert (end.outcome, end.usage) == ("cancelled", DROPPED)
        assert error_code(end.error) == "request_cancelled"
        assert stage.loop.snapshot().models["a"].active == 0

    play(scenario)


def test_its_reader_is_told_at_once_although_the_worker_takes_its_time() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        worker.deaf = True
        box = await stage.loop.submit(model("a"), asked("1"))
        await stage.settle()
        await stage.loop.cancel("1")
        assert error_of(await terminal(box)).code == "request_cancelled"
        await stage.loop.cancel("1")
        assert stage.told.end("1") is None
        worker.crash()
        await stage.settle()
        assert told_end(stage).outcome == "cancelled"

    play(scenario)


def test_the_load_that_only_it_waited_for_ends() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loop.submit(model("a"), asked("1"))
        await stage.settle()
        assert stage.started("a")
        await stage.loop.cancel("1")
        await stage.settle()
        assert not stage.started("a")

    play(scenario)


def test_what_has_ended_or_was_never_there_cannot_be_cancelled() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        await stage.loop.submit(model("a"), asked("1"))
        await stage.settle()
        worker.finish("1")
        await stage.settle()
        for id in ("1", "unheard-of"):
            with pytest.raises(Conflict, match="has ended"):
                await stage.loop.cancel(id)
        assert told_end(stage).outcome == "finished"

    play(scenario)


def test_the_last_load_is_known_while_it_goes_on_and_after_its_end() -> None:
    async def scenario(stage: Stage) -> None:
        assert stage.loop.last_load("a") is None
        before_s = asyncio.get_running_loop().time()
        await stage.loop.submit(model("a"), asked("1"))
        await stage.settle()
        loading = stage.loop.last_load("a")
        stage.worker("a").become_ready()
        await stage.settle()
        loaded = stage.loop.last_load("a")
        now_s = asyncio.get_running_loop().time()
        assert loading is not None
        assert loaded is not None
        assert loading[1] > now_s + 1_000_000
        assert before_s <= loaded[0] <= loaded[1] <= now_s

    play(scenario)


def test_a_load_that_failed_has_an_end_too() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loop.submit(model("a"), asked("1"))
        await stage.settle()
        stage.worker("a").crash()
        await stage.settle()
        load = stage.loop.last_load("a")
        assert load is not None
        assert load[1] <= asyncio.get_running_loop().time()

    play(scenario)
