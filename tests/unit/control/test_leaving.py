"""Models that are to leave, or not to come: nobody waits in vain, and nothing stays by mistake."""

import asyncio

import pytest

from mlx_gui.control.plans.wish import Standing
from mlx_gui.core.errors import Conflict, ModelTooLarge, QueueTimeout, WorkerFailed
from mlx_gui.core.generation import Usage
from tests.unit.control.fakes import asked, error_of, model
from tests.unit.control.stage import Stage, play, terminal

HOUR_S = 3600


def test_a_use_that_comes_as_the_keep_alive_ends_keeps_the_model() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        await stage.loop.keep(model("a"), 0.001)
        # The timer fires, and its event waits behind this one.
        renewed = asyncio.create_task(stage.loop.keep(model("a"), HOUR_S))
        expires_s = asyncio.get_running_loop().time() + 0.002
        while asyncio.get_running_loop().time() < expires_s:
            pass
        await renewed
        await stage.settle()
        await stage.settle()
        assert worker.phase == "ready"

    play(scenario)


def test_a_load_that_nobody_waited_for_and_that_was_refused_is_seen_to_have_failed() -> None:
    async def scenario(stage: Stage) -> None:
        with pytest.raises(ModelTooLarge) as refused:
            await stage.loop.load(model("huge"))
        view = stage.loop.snapshot().models["huge"]
        assert (view.state, view.error) == ("failed", refused.value.info())

    play(scenario)


def test_an_unload_ends_a_load_that_waits_for_room() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        mailbox = await stage.loop.submit(model("a"), asked("1"))
        loading = asyncio.create_task(stage.loop.load(model("b")))
        await asyncio.sleep(0)
        await stage.settle()
        assert not stage.started("b")
        outcome = await stage.loop.unload(model("b"))
        assert not outcome.was_loaded
        with pytest.raises(Conflict):
            await loading
        stage.worker("a").finish("1")
        assert isinstance(await terminal(mailbox), Usage)
        await stage.settle()
        assert stage.worker("a").phase == "ready"

    play(scenario, max_models=1)


def test_requests_that_wait_for_room_keep_their_model_from_being_unloaded_unless_forced() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        await stage.loop.submit(model("a"), asked("1"))
        mailbox = await stage.loop.submit(model("b"), asked("2"))
        with pytest.raises(Conflict):
            await stage.loop.unload(model("b"))
        assert not (await stage.loop.unload(model("b"), when_idle=True)).was_loaded
        await stage.loop.unload(model("b"), force=True)
        assert error_of(await terminal(mailbox)).code == "conflict"

    play(scenario, max_models=1)


def test_two_loads_with_other_contexts_each_get_theirs() -> None:
    async def scenario(stage: Stage) -> None:
        short = asyncio.create_task(stage.loop.load(model("a"), context_tokens=16))
        await asyncio.sleep(0)
        await stage.settle()
        usual = asyncio.create_task(stage.loop.load(model("a")))
        await asyncio.sleep(0)
        await stage.settle()
        first = stage.worker("a")
        first.become_ready()
        await short
        await stage.settle()
        assert not usual.done()
        assert (first.spec.context, first.phase) == (16, "stopping")
        first.end()
        await stage.settle()
        stage.worker("a").become_ready()
        await usual
        assert stage.worker("a").spec.context == 64

    play(scenario)


def test_a_load_waits_for_room_no_longer_than_a_request_does() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        for number in range(2):
            await stage.loop.submit(model("a"), asked(str(number)))
        with pytest.raises(QueueTimeout, match=r"^The load waited 0\.05 s for b\."):
            await stage.loop.load(model("b"))
        view = stage.loop.snapshot().models["b"]
        assert view.error is not None
        assert (view.state, view.error.code) == ("failed", "queue_timeout")
        assert set(worker.running) == {"0", "1"}

    play(scenario, max_models=1, queue_timeout_s=0.05)


def test_a_load_that_has_begun_may_last_longer_than_a_wait() -> None:
    async def scenario(stage: Stage) -> None:
        loading = asyncio.create_task(stage.loop.load(model("a")))
        ends_s = asyncio.get_running_loop().time() + 0.05
        while asyncio.get_running_loop().time() < ends_s:
            await asyncio.sleep(0)
        stage.worker("a").become_ready()
        assert not (await loading).already_loaded

    play(scenario, queue_timeout_s=0.02)


def test_a_model_that_was_removed_leaves_after_its_answers_even_if_it_is_pinned() -> None:
    async def scenario(stage: Stage) -> None:
        stage.standings["a"] = Standing(pinned=True)
        worker = await stage.loaded("a")
        idle = await stage.loaded("b")
        mailbox = await stage.loop.submit(model("a"), asked("1"))
        stage.loop.removed(["a", "b", "never seen"])
        await stage.settle()
        assert (worker.phase, idle.phase) == ("ready", "stopping")
        worker.finish("1")
        assert isinstance(await terminal(mailbox), Usage)
        await stage.settle()
        assert worker.phase == "stopping"
        worker.end()
        idle.end()
        stage.loop.removed(["a", "b"])
        await stage.settle()
        assert stage.loop.snapshot().models == {}
        assert stage.loop.decisions("a")[0].reason == "it is not installed any more"

    play(scenario)


def test_urgent_requests_that_come_later_do_not_keep_a_model_from_leaving() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        for number in range(2):
            await stage.loop.submit(model("a"), asked(str(number)))
        before = await stage.loop.submit(model("a"), asked("before"))
        leaving = asyncio.create_task(stage.loop.unload(model("a"), when_idle=True))
        await asyncio.sleep(0)
        await stage.settle()
        await stage.loop.submit(model("a"), asked("later", priority=5))
        worker.finish("0")
        worker.finish("1")
        await stage.settle()
        assert set(worker.running) == {"before"}
        worker.finish("before")
        assert isinstance(await terminal(before), Usage)
        await stage.settle()
        worker.end()
        assert (await leaving).was_loaded
        await stage.settle()
        assert stage.started("a")

    play(scenario)


def test_nobody_leaves_for_a_model_that_is_only_preloaded() -> None:
    async def scenario(stage: Stage) -> None:
        stage.loop.preload([model("a"), model("b"), model("c")])
        await stage.settle()
        for name in "ab":
            stage.worker(name).become_ready()
        await stage.settle()
        assert [stage.started(name) for name in "abc"] == [True, True, False]
        view = stage.loop.snapshot().models["c"]
        assert view.error is not None
        assert view.error.message.startswith("c was not loaded with the server")

    play(scenario)


def test_a_pinned_model_comes_back_in_the_place_of_an_idle_one() -> None:
    async def scenario(stage: Stage) -> None:
        idle = await stage.loaded("a")
        stage.standings["b"] = Standing(pinned=True)
        stage.loop.preload([model("b")])
        await stage.settle()
        assert idle.phase == "stopping"
        idle.end()
        await stage.settle()
        assert stage.started("b")

    play(scenario, max_models=1)


def test_models_that_are_there_answer_while_another_cannot_be_planned() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        for number in range(2):
            await stage.loop.submit(model("a"), asked(str(number)))
        lost = await stage.loop.submit(model("b"), asked("b"))
        stage.unplannable.add("b")
        worker.finish("0")
        await stage.settle()
        assert set(worker.running) == {"1"}
        assert error_of(await terminal(lost)).code == "internal_error"

    play(scenario, max_models=1, slots=1)


def test_of_a_model_that_was_removed_nothing_is_kept_once_its_worker_has_left() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        await stage.loop.submit(model("a"), asked("1"))
        stage.loop.removed(["a"])
        stage.loop.settings_changed()
        worker.finish("1")
        await stage.settle()
        assert worker.phase == "stopping"
        worker.end()
        await stage.settle()
        assert stage.loop.snapshot().models == {}
        await stage.loaded("a")
        stage.worker("a").end(WorkerFailed("killed"))
        await stage.settle()
        assert "a" in stage.loop.snapshot().models, "it was installed again"

    play(scenario)
