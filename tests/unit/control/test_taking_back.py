"""Evictions that are taken back: who comes back, as what, and who has to leave for that."""

import asyncio
from dataclasses import replace

import pytest

from mlx_gui.control.plans.wish import Standing
from mlx_gui.control.residency.departures import Departure
from mlx_gui.control.residency.returning import Returned
from mlx_gui.control.residency.views import LoadOutcome
from mlx_gui.core.errors import Conflict
from tests.unit.control.fakes import asked, model
from tests.unit.control.stage import Stage, play


async def begin(stage: Stage, name: str, context: int | None = None) -> asyncio.Task[LoadOutcome]:
    """A load that somebody has asked for, as soon as the run loop knows of it."""
    loading = asyncio.create_task(stage.loop.load(model(name), context_tokens=context))
    await asyncio.sleep(0)
    await stage.settle()
    return loading


async def evicted(stage: Stage, name: str, *, by: str) -> Departure:
    """`name` has left for the sake of `by`, which is loaded."""
    loading = await begin(stage, by)
    stage.worker(name).end()
    await stage.settle()
    stage.worker(by).become_ready()
    await loading
    return stage.departures[-1]


async def take_back(stage: Stage, *departures: Departure) -> Returned:
    returned = await stage.loop.take_back([(model(each.model_id), each) for each in departures])
    await stage.settle()
    return returned


def test_a_model_comes_back_with_what_it_had_and_the_other_leaves() -> None:
    async def scenario(stage: Stage) -> None:
        loading = await begin(stage, "a", context=128)
        stage.worker("a").become_ready()
        await loading
        await stage.loop.keep(model("a"), 500)
        departure = await evicted(stage, "a", by="b")
        assert (departure.model_id, departure.cause, departure.client) == ("a", "b", "")

        assert await take_back(stage, departure) == Returned(("a",), "b")
        assert stage.worker("b").phase == "stopping"
        stage.worker("b").end()
        await stage.settle()
        assert stage.worker("a").spec.context == 128
        stage.worker("a").become_ready()
        await stage.settle()
        assert stage.loop.snapshot().models["a"].keep_alive_s == 500
        assert [each.model_id for each in stage.departures] == ["a"], "nobody was evicted for it"

    play(scenario, max_models=1)


def test_the_other_stays_where_there_is_room_for_both() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        departure = await evicted(stage, "a", by="b")
        stage.limits = replace(stage.limits, max_models=2)
        assert await take_back(stage, departure) == Returned(("a",))
        assert stage.started("a")
        assert stage.started("b")
        assert await take_back(stage, departure) == Returned(), "it comes already"

    play(scenario, max_models=1)


def test_a_model_in_use_does_not_leave_and_nothing_is_done() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        await stage.loop.submit(model("b"), asked("1", client="codex/1.0"))
        await stage.settle()
        (departure,) = stage.departures
        assert departure.client == "codex/1.0"
        with pytest.raises(Conflict, match="for requests that wait"):
            await take_back(stage, departure)
        stage.worker("a").end()
        await stage.settle()
        stage.worker("b").become_ready()
        await stage.settle()
        with pytest.raises(Conflict, match="b stays, it answers 1 request"):
            await take_back(stage, departure)
        assert set(stage.worker("b").running) == {"1"}
        assert not stage.started("a")
        stage.worker("b").finish("1")
        await stage.settle()
        assert (await take_back(stage, departure)).leaves == "b"

    play(scenario, max_models=1)


def test_a_load_that_has_not_begun_is_taken_back_too() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        loading = await begin(stage, "b")
        assert await take_back(stage, *stage.departures) == Returned(("a",), "b")
        with pytest.raises(Conflict, match="taken back"):
            await loading
        stage.worker("a").end()
        await stage.settle()
        assert stage.started("a")
        assert not stage.started("b")

    play(scenario, max_models=1)


def test_nobody_else_leaves_for_what_comes_back() -> None:
    async def scenario(stage: Stage) -> None:
        stage.sizes.update(a=60, b=50, c=45)
        await stage.loaded("a")
        departure = await evicted(stage, "a", by="b")
        await stage.loaded("c")
        with pytest.raises(Conflict, match="b, c would have to leave"):
            await take_back(stage, departure)
        stage.standings["c"] = Standing(pinned=True)
        stage.loop.settings_changed()
        with pytest.raises(Conflict, match="beside what is pinned: c"):
            await take_back(stage, departure)
        assert stage.started("b")
        assert stage.started("c")

    play(scenario)


def test_whoever_leaves_because_memory_is_short_was_asked_for_by_nobody() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        stage.loop.pressure_is("critical")
        await stage.settle()
        (departure,) = stage.departures
        assert (departure.cause, departure.reason) == (None, "memory pressure is critical")
        stage.worker("a").end()
        await stage.settle()
        with pytest.raises(Conflict, match="short of memory"):
            await take_back(stage, departure)
        stage.loop.pressure_is("normal")
        assert await take_back(stage, departure) == Returned(("a",))

    play(scenario)
