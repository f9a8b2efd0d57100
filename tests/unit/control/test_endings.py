"""However a request ends, its observer is told once, with what was computed or what went wrong."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.core.ask import Ask, RequestEnd
from mlx_gui.core.errors import (
    CapabilityMissing,
    LoadFailed,
    MlxGuiError,
    NotReady,
    QueueFull,
    ShuttingDown,
    WorkerOutOfMemory,
)
from mlx_gui.core.generation import Usage
from tests.unit.control.fakes import DROPPED, REQUEST, USAGE, asked, error_of, model
from tests.unit.control.stage import Stage, play, terminal


async def submitted(stage: Stage, *, ready: bool = True) -> Mailbox:
    """The mailbox of request 1 for the model a, which loads, or is ready by now."""
    box = await stage.loop.submit(model("a"), asked("1"))
    if ready:
        stage.worker("a").become_ready()
    await stage.settle()
    return box


def outcome(stage: Stage, id: str = "1") -> tuple[list[str], str, str | None]:
    """What came of the request, how it ended, and by which error."""
    end = stage.told.end(id)
    assert end is not None, "it has ended"
    return stage.told.steps(id), end.outcome, None if end.error is None else end.error.code


def test_an_answer_ends_with_its_usage() -> None:
    async def scenario(stage: Stage) -> None:
        box = await submitted(stage)
        stage.worker("a").say("1")
        stage.worker("a").finish("1")
        assert isinstance(await terminal(box), Usage)
        await stage.settle()
        assert stage.told.of["1"] == [
            "submitted",
            "granted",
            "begun",
            RequestEnd("finished", USAGE),
        ]

    play(scenario)


@pytest.mark.parametrize("loading", [False, True])
def test_a_client_that_leaves_before_the_grant_has_cancelled(loading: bool) -> None:
    async def scenario(stage: Stage) -> None:
        if not loading:
            await stage.loaded("a")
            await stage.loop.submit(model("a"), asked("0"))
        box = await stage.loop.submit(model("a"), asked("1"))
        stage.loop.abandon("1")
        assert error_of(await terminal(box)).code == "cancelled"
        assert outcome(stage) == (["submitted"], "cancelled", "cancelled")

    play(scenario, slots=1)


@pytest.mark.parametrize("decoding", [False, True])
def test_what_was_computed_for_a_client_that_left_is_told_when_the_worker_has_dropped_it(
    decoding: bool,
) -> None:
    async def scenario(stage: Stage) -> None:
        await submitted(stage)
        worker = stage.worker("a")
        worker.deaf = True
        if decoding:
            worker.say("1")
        stage.loop.abandon("1")
        await stage.settle()
        assert stage.told.end("1") is None
        worker.deaf = False
        worker.cancel("1")
        await stage.settle()
        steps = ["submitted", "granted", *(["begun"] if decoding else [])]
        assert stage.told.of["1"] == [*steps, RequestEnd("cancelled", DROPPED)]

    play(scenario)


def test_an_answer_that_was_complete_when_its_client_left_is_finished() -> None:
    async def scenario(stage: Stage) -> None:
        await submitted(stage)
        stage.worker("a").finish("1")
        stage.loop.abandon("1")
        await stage.settle()
        assert outcome(stage) == (["submitted", "granted", "begun"], "finished", None)

    play(scenario)


def test_a_client_that_leaves_while_the_device_is_looked_at_has_cancelled() -> None:
    async def scenario(stage: Stage) -> None:
        looking = asyncio.Event()
        submitting = asyncio.create_task(
            stage.loop.submit(model("a"), asked("1"), before=looking.wait)
        )
        await asyncio.sleep(0)
        assert stage.told.of["1"] == ["submitted"]
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)
        assert outcome(stage) == (["submitted"], "cancelled", "cancelled")

    play(scenario)


async def _unknown_device() -> None:
    raise NotReady("The device is not known yet.")


async def _full(stage: Stage) -> None:
    await stage.loop.submit(model("a"), asked("0"))
    await stage.loop.submit(model("a"), asked("1"))


async def _failed_thrice(stage: Stage) -> None:
    for attempt in range(3):
        await stage.loop.submit(model("a"), asked(f"{attempt} before"))
        stage.worker("a").crash()
        await stage.settle()
    await stage.loop.submit(model("a"), asked("1"))


async def _stopping(stage: Stage) -> None:
    await stage.loop.shutdown(grace_s=0)
    await stage.loop.submit(model("a"), asked("1"))


async def _without_device(stage: Stage) -> None:
    await stage.loop.submit(model("a"), asked("1"), before=_unknown_device)


@pytest.mark.parametrize(
    ("act", "error", "how"),
    [
        (_full, QueueFull, "refused"),
        (_failed_thrice, LoadFailed, "failed"),
        (_stopping, ShuttingDown, "refused"),
        (_without_device, NotReady, "refused"),
    ],
)
def test_a_request_that_is_turned_away_at_once_has_an_end(
    act: Callable[[Stage], Awaitable[None]], error: type[MlxGuiError], how: str
) -> None:
    async def scenario(stage: Stage) -> None:
        with pytest.raises(error):
            await act(stage)
        assert outcome(stage) == (["submitted"], how, error.code)

    play(scenario, max_queue=1, back_off_s=0)


def test_what_a_model_lacks_is_refused_before_anything_is_loaded_or_leaves() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("b")
        await stage.loaded("c")
        ask = Ask("1", REQUEST, "fill_in_the_middle")
        with pytest.raises(CapabilityMissing):
            await stage.loop.submit(model("a"), ask)
        await stage.settle()
        assert outcome(stage) == (["submitted"], "refused", "capability_missing")
        assert [worker.phase for worker in stage.workers] == ["ready", "ready"]
        assert set(stage.loop.snapshot().models) == {"b", "c"}

    play(scenario)


def test_a_fault_of_ours_in_taking_up_a_request_is_its_end() -> None:
    async def scenario(stage: Stage) -> None:
        stage.unplannable.add("a")
        with pytest.raises(MlxGuiError):
            await stage.loop.submit(model("a"), asked("1"))
        assert outcome(stage) == (["submitted"], "failed", "internal_error")

    play(scenario)


def test_a_request_that_waits_too_long_is_refused_then() -> None:
    async def scenario(stage: Stage) -> None:
        await terminal(await submitted(stage, ready=False))
        assert outcome(stage) == (["submitted"], "refused", "queue_timeout")

    play(scenario, queue_timeout_s=0.01)


def test_a_model_that_does_not_fit_refuses_whoever_waits_for_it() -> None:
    async def scenario(stage: Stage) -> None:
        await terminal(await stage.loop.submit(model("huge"), asked("1")))
        assert outcome(stage) == (["submitted"], "refused", "model_too_large")

    play(scenario)


def test_a_load_that_fails_ends_whoever_waits_for_it() -> None:
    async def scenario(stage: Stage) -> None:
        box = await submitted(stage, ready=False)
        stage.worker("a").crash()
        await terminal(box)
        assert outcome(stage) == (["submitted"], "failed", "load_failed")

    play(scenario)


def test_a_request_of_which_nothing_had_come_is_granted_again_after_a_crash() -> None:
    async def scenario(stage: Stage) -> None:
        box = await submitted(stage)
        stage.worker("a").crash()
        await stage.settle()
        assert stage.told.end("1") is None
        stage.worker("a").become_ready()
        await stage.settle()
        stage.worker("a").finish("1")
        await terminal(box)
        await stage.settle()
        assert outcome(stage) == (
            ["submitted", "granted", "granted", "begun"],
            "finished",
            None,
        )

    play(scenario)


def test_a_crash_under_an_answer_is_its_end() -> None:
    async def scenario(stage: Stage) -> None:
        box = await submitted(stage)
        stage.worker("a").say("1")
        stage.worker("a").crash()
        await terminal(box)
        await stage.settle()
        assert outcome(stage) == (["submitted", "granted", "begun"], "failed", "worker_failed")

    play(scenario)


def test_a_crash_while_a_request_is_dropped_for_its_client_is_a_cancel() -> None:
    async def scenario(stage: Stage) -> None:
        await submitted(stage)
        stage.worker("a").deaf = True
        stage.loop.abandon("1")
        await stage.settle()
        stage.worker("a").crash()
        await stage.settle()
        assert outcome(stage) == (["submitted", "granted"], "cancelled", "worker_failed")

    play(scenario)


def test_an_answer_that_runs_out_of_memory_has_failed_by_that() -> None:
    async def scenario(stage: Stage) -> None:
        box = await submitted(stage)
        stage.worker("a").say("1")
        stage.worker("a").end(WorkerOutOfMemory("full"))
        await terminal(box)
        await stage.settle()
        assert outcome(stage)[1:] == ("failed", "worker_out_of_memory")

    play(scenario)


def test_the_end_of_the_server_is_the_end_of_all_requests() -> None:
    async def scenario(stage: Stage) -> None:
        await submitted(stage)
        stage.worker("a").say("1")
        await stage.loop.submit(model("a"), asked("waiting"))
        await stage.loop.shutdown(grace_s=0)
        assert stage.told.unended == []
        assert outcome(stage)[1:] == ("failed", "worker_failed")
        assert outcome(stage, "waiting") == (["submitted"], "refused", "shutting_down")

    play(scenario, slots=1)


def test_a_worker_that_forgot_a_request_ends_it_by_its_own_end() -> None:
    async def scenario(stage: Stage) -> None:
        box = await submitted(stage)
        stage.worker("a").running.clear()
        stage.worker("a").crash()
        await terminal(box)
        assert outcome(stage) == (["submitted", "granted"], "failed", "worker_failed")

    play(scenario)
