"""Background tasks: what becomes of those that fail."""

import asyncio

import pytest
from structlog.testing import capture_logs

from mlx_gui.control.supervision import Background, fault_of, finished


async def failing() -> None:
    raise RuntimeError("a fault of ours")


def test_a_task_that_fails_is_told_at_once_and_begun_again_until_it_ends_by_itself() -> None:
    begun: list[int] = []
    over = asyncio.Event()

    async def work() -> None:
        begun.append(1)
        if len(begun) < 4:
            raise RuntimeError("a fault of ours")
        over.set()

    async def scenario() -> None:
        background = Background(first_back_off_s=0.001)
        background.keep("work", work)
        await asyncio.wait_for(over.wait(), 30)
        await background.close()

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert len(begun) == 4
    assert [(line["event"], line["task"], line["again_in_s"]) for line in logs] == [
        ("task_failed", "work", 0.001 * 2**count) for count in range(3)
    ]
    assert all(isinstance(line["exc_info"], RuntimeError) for line in logs)


def test_a_task_that_was_cancelled_by_somebody_else_is_begun_again_as_well() -> None:
    begun: list[int] = []

    async def scenario() -> None:
        over = asyncio.Event()

        async def work() -> None:
            begun.append(1)
            if len(begun) < 2:
                raise asyncio.CancelledError
            over.set()

        background = Background(first_back_off_s=0.001)
        background.keep("work", work)
        await asyncio.wait_for(over.wait(), 30)
        await background.close()

    asyncio.run(scenario())
    assert len(begun) == 2


def test_the_end_waits_for_all_tasks_and_raises_nothing() -> None:
    ended: list[str] = []

    async def stubborn(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)
            raise RuntimeError("a fault of ours in the end")

    async def scenario() -> None:
        background = Background(first_back_off_s=100)
        background.keep("kept", lambda: stubborn("kept"))
        background.once("once", stubborn("once"))
        background.keep("between two beginnings", failing)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await background.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
    assert sorted(ended) == ["kept", "once"]


def test_whether_work_came_to_its_end_is_returned_and_its_fault_logged() -> None:
    with capture_logs() as logs:
        assert not asyncio.run(finished("work", failing()))
        assert asyncio.run(finished("nothing", asyncio.sleep(0)))
    assert [line["task"] for line in logs] == ["work"]


def test_who_cancels_the_caller_cancels_the_work() -> None:
    async def scenario() -> None:
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        caller = asyncio.create_task(fault_of("work", work()))
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert cancelled.is_set()

    asyncio.run(scenario())
