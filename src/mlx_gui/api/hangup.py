"""Work that ends when the client does."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Never, TypeVar

from starlette.types import Receive

from mlx_gui.core.errors import Cancelled

T = TypeVar("T")


async def hang_up(receive: Receive) -> Never:
    """Waits until the client closes the connection, then raises Cancelled.

    To be started when the body has been read: it takes whatever still arrives.
    """
    while (await receive())["type"] != "http.disconnect":
        pass
    raise Cancelled("The client closed the connection before the answer was complete.")


async def first_of(*works: Coroutine[Any, Any, T]) -> T:
    """What the first of `works` to end returned or raised; the others have been cancelled then."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
