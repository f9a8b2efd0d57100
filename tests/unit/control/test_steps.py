"""Steps of a job that are not broken off in their middle."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from mlx_gui.control.jobs.steps import in_thread, to_its_end, undone_by

DEADLINE_S = 30


class Gate:
    """A step in a thread that begins, and ends when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()
        self.ended = False

    def step(self) -> str:
        self.begun.set()
        assert self.open.wait(DEADLINE_S)
        self.ended = True
        return "made"


def cancelled_meanwhile(step: Callable[[Gate], Awaitable[str]]) -> tuple[Gate, str | None]:
    """What whoever waits for the step gets when that is cancelled, None for the cancellation."""
    gate = Gate()

    async def scenario() -> str | None:
        async def work() -> str:
            made = await step(gate)
            await asyncio.sleep(0)
            return made

        task = asyncio.create_task(work())
        await asyncio.to_thread(gate.begun.wait, DEADLINE_S)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        gate.open.set()
        try:
            return await task
        except asyncio.CancelledError:
            return None

    return gate, asyncio.run(scenario())


def test_a_thread_has_ended_before_its_cancellation_is_told() -> None:
    gate, result = cancelled_meanwhile(lambda gate: in_thread(gate.step))
    assert (gate.ended, result) == (True, None)


def test_a_cancellation_comes_too_late_for_what_runs_to_its_end() -> None:
    gate, result = cancelled_meanwhile(lambda gate: to_its_end(asyncio.to_thread(gate.step)))
    assert (gate.ended, result) == (True, "made")


def test_what_a_step_raises_is_raised() -> None:
    def fails() -> None:
        raise ValueError("no")

    for run in (in_thread(fails), to_its_end(asyncio.to_thread(fails))):
        with pytest.raises(ValueError, match="no"):
            asyncio.run(run)


def test_what_did_not_come_to_its_end_is_undone() -> None:
    undone: list[str] = []

    async def whole() -> None:
        async with undone_by(lambda: undone.append("whole")):
            await asyncio.sleep(0)

    async def broken() -> None:
        async with undone_by(lambda: undone.append("broken")):
            raise ValueError("no")

    asyncio.run(whole())
    with pytest.raises(ValueError, match="no"):
        asyncio.run(broken())
    assert undone == ["broken"]
