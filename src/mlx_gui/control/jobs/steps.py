"""Steps of a job's work that are not broken off in their middle."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns, from a thread. A cancellation is raised once the thread has ended.

    Whoever cleans up after it finds nobody still at work.
    """
    step = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
    cancelled = await _ended(step)
    if cancelled and step.exception() is None:
        raise asyncio.CancelledError
    return step.result()


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. A cancellation comes too late for it, and is dropped."""
    step = asyncio.create_task(work)
    await _ended(step)
    return step.result()


@asynccontextmanager
async def undone_by(undo: Callable[[], None]) -> AsyncGenerator[None]:
    """Has `undo` run, in a thread, where the block does not come to its end."""
    whole = False
    try:
        yield
        whole = True
    finally:
        if not whole:
            await in_thread(undo)


async def _ended(step: asyncio.Task[Any]) -> bool:
    """Whether somebody has cancelled us while it ran."""
    cancelled = False
    while not step.done():
        try:
            await asyncio.wait((step,))
        except asyncio.CancelledError:
            cancelled = True
            us = asyncio.current_task()
            assert us is not None
            us.uncancel()
    return cancelled
