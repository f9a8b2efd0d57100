"""A prompt that is too long for the loaded context has its model loaded anew with room, once."""

import asyncio

import pytest

from mlx_gui.control.plans.wish import Standing
from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.core.errors import WorkerOutOfMemory
from mlx_gui.core.generation import GenerateRequest, TokenizeRequest, Usage, WorkerRequest
from tests.unit.control.fakes import REQUEST, asked, error_of, model
from tests.unit.control.stage import Stage, play, terminal
from tests.unit.control.test_sharing import decided

LONG, ROOM = 90, 128


async def granted(
    stage: Stage, request_id: str = "long", request: WorkerRequest = REQUEST
) -> Mailbox:
    """The mailbox of a request that a worker with the usual context of 64 reads."""
    stage.longest = stage.longest or 1000
    box = await stage.loop.submit(model("a"), asked(request_id, request))
    if stage.worker("a").phase == "loading":
        stage.worker("a").become_ready()
    await stage.settle()
    assert stage.worker("a").spec.context == 64
    return box


async def reloaded(stage: Stage) -> None:
    """The worker that is leaving has left, and the next is ready."""
    assert stage.worker("a").phase == "stopping"
    stage.worker("a").end()
    await stage.settle()
    stage.worker("a").become_ready()
    await stage.settle()


async def refused(stage: Stage, box: Mailbox) -> None:
    """The client hears that its prompt is too long, and nothing was loaded for it."""
    error = error_of(await terminal(box))
    assert (error.code, error.details["prompt_tokens"]) == ("context_length_exceeded", LONG)
    await stage.settle()
    assert stage.worker("a").phase == "ready"


def test_a_prompt_that_is_too_long_is_answered_by_a_longer_context_unseen() -> None:
    async def scenario(stage: Stage) -> None:
        box = await granted(stage)
        stage.worker("a").find_too_long("long", LONG)
        await stage.settle()
        assert decided(stage, "reload", "a") == [
            "a prompt waits that is too long for its context of 64 tokens"
        ]
        await reloaded(stage)
        assert stage.worker("a").spec.context == ROOM
        stage.worker("a").finish("long")
        assert isinstance(await terminal(box), Usage)
        await stage.loop.submit(model("a"), asked("next"))
        await stage.settle()
        assert set(stage.worker("a").running) == {"next"}, "the context stays as it is"
        assert not stage.loop.reload_pending(model("a"))

    play(scenario)


def test_running_answers_end_first_and_who_waits_is_answered_afterwards() -> None:
    async def scenario(stage: Stage) -> None:
        running = await granted(stage, "running")
        box = await granted(stage)
        waiting = await stage.loop.submit(model("a"), asked("waiting"))
        old = stage.worker("a")
        old.find_too_long("long", LONG)
        await stage.settle()
        assert (old.phase, set(old.running)) == ("ready", {"running"})
        old.finish("running")
        await stage.settle()
        await reloaded(stage)
        assert set(stage.worker("a").running) == {"long", "waiting"}
        for request_id in ("long", "waiting"):
            stage.worker("a").finish(request_id)
        for each in (running, box, waiting):
            assert isinstance(await terminal(each), Usage)

    play(scenario)


def test_a_prompt_that_does_not_fit_the_second_time_is_refused() -> None:
    async def scenario(stage: Stage) -> None:
        box = await granted(stage)
        stage.worker("a").find_too_long("long", LONG)
        await stage.settle()
        await reloaded(stage)
        stage.worker("a").find_too_long("long", LONG)
        await refused(stage, box)
        assert len(stage.workers) == 2

    play(scenario)


def test_what_the_model_was_not_made_for_is_refused_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        stage.longest = LONG
        box = await granted(stage)
        stage.worker("a").find_too_long("long", LONG)
        await refused(stage, box)

    play(scenario)


def test_what_would_never_fit_into_memory_is_refused_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        stage.sizes_of_contexts[ROOM] = 1000
        box = await granted(stage)
        stage.worker("a").find_too_long("long", LONG)
        await refused(stage, box)

    play(scenario)


def test_what_does_not_fit_beside_pinned_models_is_refused_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        stage.standings["b"] = Standing(pinned=True)
        stage.sizes["b"] = 50
        stage.sizes_of_contexts[ROOM] = 60
        await stage.loaded("b")
        box = await granted(stage)
        stage.worker("a").find_too_long("long", LONG)
        await refused(stage, box)

    play(scenario)


def test_a_context_that_somebody_has_set_stays() -> None:
    async def scenario(stage: Stage) -> None:
        box = await granted(stage)
        stage.longest = None
        stage.worker("a").find_too_long("long", LONG)
        await refused(stage, box)

    play(scenario)


def test_a_load_with_a_context_of_its_own_keeps_it() -> None:
    async def scenario(stage: Stage) -> None:
        stage.longest = 1000
        loading = asyncio.create_task(stage.loop.load(model("a"), context_tokens=64))
        await asyncio.sleep(0)
        await stage.settle()
        stage.worker("a").become_ready()
        await loading
        box = await granted(stage)
        stage.worker("a").find_too_long("long", LONG)
        await refused(stage, box)

    play(scenario)


@pytest.mark.parametrize(
    "request_", [GenerateRequest(truncate=True), TokenizeRequest(GenerateRequest())]
)
def test_requests_whose_turns_are_dropped_and_those_that_only_count_reload_nothing(
    request_: WorkerRequest,
) -> None:
    async def scenario(stage: Stage) -> None:
        box = await granted(stage, request=request_)
        stage.worker("a").find_too_long("long", LONG)
        await refused(stage, box)

    play(scenario)


def test_a_prompt_whose_client_is_gone_reloads_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        await granted(stage)
        running = await granted(stage, "running")
        stage.worker("a").find_too_long("long", LONG)
        await stage.settle()
        stage.loop.abandon("long")
        await stage.settle()
        stage.worker("a").finish("running")
        assert isinstance(await terminal(running), Usage)
        await stage.loop.submit(model("a"), asked("next"))
        await stage.settle()
        assert set(stage.worker("a").running) == {"next"}
        assert len(stage.workers) == 1

    play(scenario)


def test_where_the_room_is_gone_meanwhile_only_the_long_prompt_is_refused() -> None:
    async def scenario(stage: Stage) -> None:
        stage.sizes_of_contexts[ROOM] = 60
        box = await granted(stage)
        running = await granted(stage, "running")
        waiting = await stage.loop.submit(model("a"), asked("waiting"))
        stage.worker("a").find_too_long("long", LONG)
        await stage.settle()
        stage.worker("a").finish("running")
        assert isinstance(await terminal(running), Usage)
        await stage.settle()
        stage.sizes_of_contexts[ROOM] = 1000
        await reloaded(stage)
        assert error_of(await terminal(box)).code == "context_length_exceeded"
        assert stage.worker("a").spec.context == 64
        stage.worker("a").finish("waiting")
        assert isinstance(await terminal(waiting), Usage)

    play(scenario)


def test_a_longer_context_that_ran_out_of_memory_is_not_tried_again() -> None:
    async def scenario(stage: Stage) -> None:
        box = await granted(stage)
        stage.worker("a").find_too_long("long", LONG)
        await stage.settle()
        stage.worker("a").end()
        await stage.settle()
        stage.worker("a").end(WorkerOutOfMemory("a ran out of memory"))
        await stage.settle()
        stage.worker("a").become_ready()
        await stage.settle()
        stage.worker("a").find_too_long("long", LONG)
        await refused(stage, box)
        assert len(stage.workers) == 3

    play(scenario)


def test_a_load_that_waits_for_the_model_is_content_with_a_longer_context() -> None:
    async def scenario(stage: Stage) -> None:
        box = await granted(stage)
        stage.worker("a").find_too_long("long", LONG)
        await stage.settle()
        loading = asyncio.create_task(stage.loop.load(model("a")))
        await asyncio.sleep(0)
        await stage.settle()
        await reloaded(stage)
        assert not (await loading).already_loaded
        assert stage.worker("a").phase == "ready"
        stage.worker("a").finish("long")
        assert isinstance(await terminal(box), Usage)
        assert len(stage.workers) == 2

    play(scenario)
