"""How long a model stays loaded, when requests ask for a time of their own."""

import asyncio
import time

import pytest

from mlx_gui.core.generation import Usage
from tests.unit.control.fakes import asked, model
from tests.unit.control.stage import Stage, play, terminal

HOUR_S = 3600


async def answered(stage: Stage, request_id: str, *, keep_alive_s: float | None = None) -> None:
    """One whole answer of the model a, which is loaded for it if need be."""
    mailbox = await stage.loop.submit(model("a"), asked(request_id), keep_alive_s=keep_alive_s)
    if stage.worker("a").phase == "loading":
        stage.worker("a").become_ready()
    await stage.settle()
    stage.worker("a").finish(request_id)
    assert isinstance(await terminal(mailbox), Usage)
    await stage.settle()


async def gone(stage: Stage) -> None:
    """Until the worker of the model a has been asked to end; ends it."""
    while stage.worker("a").phase == "ready":
        await asyncio.sleep(0)
    stage.worker("a").end()
    await stage.settle()


def left_s(stage: Stage) -> float | None:
    """How long the model a stays if nobody asks it anything."""
    expires_at = stage.loop.snapshot().models["a"].expires_at
    return None if expires_at is None else expires_at - time.time()


def test_a_request_names_how_long_its_model_stays() -> None:
    async def scenario(stage: Stage) -> None:
        await answered(stage, "1", keep_alive_s=HOUR_S)
        assert left_s(stage) == pytest.approx(HOUR_S, abs=60)

    play(scenario, keep_alive_s=60)


def test_what_a_request_named_holds_until_another_names_something_else() -> None:
    async def scenario(stage: Stage) -> None:
        await answered(stage, "1", keep_alive_s=HOUR_S)
        await answered(stage, "2")
        assert left_s(stage) == pytest.approx(HOUR_S, abs=60)
        await answered(stage, "3", keep_alive_s=2 * HOUR_S)
        assert left_s(stage) == pytest.approx(2 * HOUR_S, abs=60)
        assert stage.loop.snapshot().models["a"].keep_alive_s == 2 * HOUR_S

    play(scenario, keep_alive_s=60)


def test_a_negative_time_is_for_ever() -> None:
    async def scenario(stage: Stage) -> None:
        await answered(stage, "1", keep_alive_s=-1)
        assert left_s(stage) is None
        assert stage.worker("a").phase == "ready"

    play(scenario, keep_alive_s=60)


def test_no_time_at_all_unloads_after_the_answer_and_not_before_others_have_theirs() -> None:
    async def scenario(stage: Stage) -> None:
        other = await stage.loop.submit(model("a"), asked("1"))
        await answered(stage, "2", keep_alive_s=0)
        assert stage.worker("a").phase == "ready"
        stage.worker("a").finish("1")
        assert isinstance(await terminal(other), Usage)
        await gone(stage)

    play(scenario)


def test_the_next_worker_of_the_model_begins_with_the_setting() -> None:
    async def scenario(stage: Stage) -> None:
        await answered(stage, "1", keep_alive_s=0)
        await gone(stage)
        await answered(stage, "2")
        assert left_s(stage) == pytest.approx(HOUR_S, abs=60)

    play(scenario, keep_alive_s=HOUR_S)


def test_a_load_names_how_long_the_model_stays_even_if_an_old_worker_has_yet_to_leave() -> None:
    async def scenario(stage: Stage) -> None:
        await answered(stage, "1", keep_alive_s=0)
        while stage.worker("a").phase == "ready":
            await asyncio.sleep(0)
        loading = asyncio.create_task(stage.loop.load(model("a"), keep_alive_s=HOUR_S))
        await asyncio.sleep(0)
        await stage.settle()
        stage.worker("a").end()
        await stage.settle()
        stage.worker("a").become_ready()
        await loading
        assert left_s(stage) == pytest.approx(HOUR_S, abs=60)
        assert (await stage.loop.load(model("a"), keep_alive_s=-1)).already_loaded
        assert left_s(stage) is None

    play(scenario)


def test_a_model_at_work_can_be_told_to_leave_when_it_has_finished() -> None:
    async def scenario(stage: Stage) -> None:
        running = await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        await stage.loop.keep(model("a"), 0)
        assert stage.worker("a").phase == "ready"
        stage.worker("a").finish("1")
        assert isinstance(await terminal(running), Usage)
        await gone(stage)
        await stage.loop.keep(model("a"), 0)
        assert stage.loop.snapshot().models["a"].keep_alive_s is None

    play(scenario)
