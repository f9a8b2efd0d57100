"""A wish belongs to the load that carries it: it comes with that load, and goes with its worker."""

import asyncio

import pytest

from mlx_gui.control.residency.views import LoadOutcome
from mlx_gui.core.errors import (
    Conflict,
    MlxGuiError,
    QueueTimeout,
    WorkerFailed,
    WorkerOutOfMemory,
)
from mlx_gui.core.generation import Usage
from tests.unit.control.fakes import asked, error_of, model
from tests.unit.control.stage import Stage, play, terminal


async def load_asked(
    stage: Stage, name: str, context_tokens: int | None
) -> "asyncio.Task[LoadOutcome]":
    """A load that the run loop has heard of."""
    loading = asyncio.create_task(stage.loop.load(model(name), context_tokens=context_tokens))
    await asyncio.sleep(0)
    await stage.settle()
    return loading


async def hung_up(stage: Stage, loading: "asyncio.Task[LoadOutcome]") -> None:
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    await stage.settle()


async def with_context(stage: Stage, name: str, context_tokens: int) -> None:
    """The model is loaded with this context, by a load that asked for it."""
    loading = await load_asked(stage, name, context_tokens)
    stage.worker(name).become_ready()
    await loading
    assert stage.worker(name).spec.context == context_tokens


async def answered(stage: Stage, request_id: str, name: str) -> None:
    """A request is answered by the worker that is there, or by a new one."""
    box = await stage.loop.submit(model(name), asked(request_id))
    if stage.worker(name).phase == "loading":
        stage.worker(name).become_ready()
        await stage.settle()
    stage.worker(name).finish(request_id)
    assert isinstance(await terminal(box), Usage)


def test_a_load_that_was_given_up_leaves_the_model_as_it_is() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        running = await stage.loop.submit(model("a"), asked("1"))
        loading = await load_asked(stage, "a", 16)
        assert worker.phase == "ready", "it waits for the answer"
        await hung_up(stage, loading)
        await answered(stage, "2", "a")
        worker.finish("1")
        assert isinstance(await terminal(running), Usage)
        assert (worker.phase, len(stage.workers)) == ("ready", 1)
        assert not stage.loop.reload_pending(model("a"))

    play(scenario)


def test_a_load_that_is_given_up_as_the_model_leaves_for_it_is_not_made() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        loading = await load_asked(stage, "a", 16)
        assert worker.phase == "stopping"
        await hung_up(stage, loading)
        worker.end()
        await stage.settle()
        assert len(stage.workers) == 1
        await answered(stage, "1", "a")
        assert stage.worker("a").spec.context == 64

    play(scenario)


def test_a_load_that_is_given_up_under_way_starts_anew_for_those_who_wait_for_the_model() -> None:
    async def scenario(stage: Stage) -> None:
        loading = await load_asked(stage, "a", 16)
        box = await stage.loop.submit(model("a"), asked("1"))
        short = stage.worker("a")
        await hung_up(stage, loading)
        assert (short.spec.context, short.phase) == (16, "stopping")
        short.end()
        await stage.settle()
        stage.worker("a").become_ready()
        await stage.settle()
        assert stage.worker("a").spec.context == 64
        stage.worker("a").finish("1")
        assert isinstance(await terminal(box), Usage)

    play(scenario)


def test_of_two_who_wait_for_one_load_the_second_keeps_it_when_the_first_gives_up() -> None:
    async def scenario(stage: Stage) -> None:
        first, second = [await load_asked(stage, "a", 16) for _ in range(2)]
        await hung_up(stage, first)
        stage.worker("a").become_ready()
        assert not (await second).already_loaded
        assert (stage.worker("a").spec.context, len(stage.workers)) == (16, 1)

    play(scenario)


def test_a_load_that_waited_too_long_leaves_no_wish() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        await stage.loop.submit(model("a"), asked("1"))
        with pytest.raises(QueueTimeout):
            await stage.loop.load(model("a"), context_tokens=16)
        worker.finish("1")
        await answered(stage, "2", "a")
        assert (worker.phase, len(stage.workers)) == ("ready", 1)

    play(scenario, queue_timeout_s=0.02)


def test_a_load_that_is_refused_leaves_no_wish_and_refuses_nobody_else() -> None:
    async def scenario(stage: Stage) -> None:
        stage.sizes_of_contexts[128] = 1000
        await stage.loop.submit(model("b"), asked("b"))
        stage.worker("b").become_ready()
        await stage.settle()
        waiting = await stage.loop.submit(model("a"), asked("1"))
        with pytest.raises(MlxGuiError) as refused:
            await stage.loop.load(model("a"), context_tokens=128)
        assert refused.value.code == "model_too_large"
        stage.worker("b").finish("b")
        await stage.settle()
        stage.worker("b").end()
        await stage.settle()
        stage.worker("a").become_ready()
        await stage.settle()
        assert stage.worker("a").spec.context == 64
        stage.worker("a").finish("1")
        assert isinstance(await terminal(waiting), Usage)

    play(scenario, max_models=1)


@pytest.mark.parametrize("error", [None, WorkerFailed("killed")])
def test_a_wish_ends_with_its_worker(error: MlxGuiError | None) -> None:
    async def scenario(stage: Stage) -> None:
        await with_context(stage, "a", 16)
        await answered(stage, "1", "a")
        if error is None:
            unloading = asyncio.create_task(stage.loop.unload(model("a")))
            await asyncio.sleep(0)
            await stage.settle()
            stage.worker("a").end()
            await unloading
        else:
            stage.worker("a").end(error)
        await stage.settle()
        await answered(stage, "2", "a")
        assert stage.worker("a").spec.context == 64

    play(scenario)


def test_a_wish_ends_when_its_model_makes_room_for_another() -> None:
    async def scenario(stage: Stage) -> None:
        await with_context(stage, "a", 16)
        await stage.loop.submit(model("b"), asked("b"))
        stage.worker("a").end()
        await stage.settle()
        stage.worker("b").become_ready()
        await stage.settle()
        stage.worker("b").finish("b")
        await stage.loop.submit(model("a"), asked("1"))
        await stage.settle()
        stage.worker("b").end()
        await stage.settle()
        assert stage.worker("a").spec.context == 64

    play(scenario, max_models=1)


def test_a_wish_ends_with_the_keep_alive() -> None:
    async def scenario(stage: Stage) -> None:
        await with_context(stage, "a", 16)
        while stage.worker("a").phase == "ready":
            await asyncio.sleep(0)
        stage.worker("a").end()
        await stage.settle()
        await stage.loop.submit(model("a"), asked("1"))
        assert stage.worker("a").spec.context == 64

    play(scenario, keep_alive_s=0)


def test_a_load_whose_worker_is_killed_under_way_keeps_its_wish() -> None:
    async def scenario(stage: Stage) -> None:
        loading = await load_asked(stage, "a", 16)
        stage.worker("a").end(WorkerFailed("killed"))
        await stage.settle()
        stage.worker("a").become_ready()
        await loading
        assert stage.worker("a").spec.context == 16

    play(scenario)


def test_an_unload_that_is_refused_changes_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        await with_context(stage, "a", 16)
        await stage.loop.submit(model("a"), asked("1"))
        with pytest.raises(Conflict):
            await stage.loop.unload(model("a"))
        assert not stage.loop.reload_pending(model("a"))
        assert (stage.worker("a").phase, len(stage.workers)) == ("ready", 1)

    play(scenario)


async def ran_out(stage: Stage) -> None:
    """A model ran out of memory, came back smaller, and has left."""
    await stage.loaded("a")
    lost = await stage.loop.submit(model("a"), asked("0"))
    stage.worker("a").say("0")
    stage.worker("a").end(WorkerOutOfMemory("a ran out of memory"))
    assert error_of(await terminal(lost)).code == "worker_out_of_memory"
    await stage.settle()
    await answered(stage, "1", "a")
    assert stage.worker("a").spec.context == 32
    stage.worker("a").end(WorkerFailed("killed"))
    await stage.settle()


def test_a_model_that_ran_out_of_memory_takes_less_for_a_while_and_then_all_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(stage: Stage) -> None:
        await ran_out(stage)
        await answered(stage, "2", "a")
        assert stage.worker("a").spec.context == 32
        stage.worker("a").end(WorkerFailed("killed"))
        monkeypatch.setattr("mlx_gui.control.residency.entry.SMALL_FOR_S", 0.0)
        await stage.settle()
        await answered(stage, "3", "a")
        assert stage.worker("a").spec.context == 64
        assert not stage.loop.reload_pending(model("a"))

    play(scenario, back_off_s=0.0)


def test_a_load_by_hand_takes_all_at_once_and_one_that_is_given_up_changes_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        await ran_out(stage)
        loading = await load_asked(stage, "a", None)
        assert stage.worker("a").spec.context == 64
        await hung_up(stage, loading)
        stage.worker("a").end()
        await stage.settle()
        await answered(stage, "2", "a")
        assert stage.worker("a").spec.context == 32
        loading = await load_asked(stage, "a", None)
        stage.worker("a").end()
        await stage.settle()
        stage.worker("a").become_ready()
        await loading
        stage.worker("a").end(WorkerFailed("killed"))
        await stage.settle()
        await answered(stage, "3", "a")
        assert stage.worker("a").spec.context == 64

    play(scenario, back_off_s=0.0)
