"""The tasks that run beside everything else: none ends without a word, and none takes others along.

What a task raises is logged at once, and one that is to last is begun again. So nothing here is
caught by its class: a fault is looked up in the task that it ended.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Work = Coroutine[Any, Any, None]

_FIRST_BACK_OFF_S = 1.0
_LONGEST_BACK_OFF_S = 60.0
_STEADY_S = 60.0
"""Who has run for so long is begun again as quickly as at first."""


class Background:
    """The background tasks of one server. Called on the event loop."""

    def __init__(self, *, first_back_off_s: float = _FIRST_BACK_OFF_S) -> None:
        self._first_back_off_s = first_back_off_s
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, name: str, begin: Callable[[], Work]) -> None:
        """Run what `begin` makes, and anew after each fault; until it returns or `close`.

        Between a fault and the next beginning are 1, 2, 4… seconds, at most a minute.
        """
        self._start(name, self._kept(name, begin))

    def once(self, name: str, work: Work) -> None:
        """Run `work`; what goes wrong is logged."""
        self._start(name, _logged(name, work))

    async def close(self) -> None:
        """End all of them, and wait until they have ended. Raises nothing."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, name: str, work: Work) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _kept(self, name: str, begin: Callable[[], Work]) -> None:
        loop = asyncio.get_running_loop()
        back_off_s = self._first_back_off_s
        while True:
            began_s = loop.time()
            fault = await fault_of(name, begin())
            if fault is None:
                return
            if loop.time() - began_s >= _STEADY_S:
                back_off_s = self._first_back_off_s
            log.error("task_failed", task=name, again_in_s=back_off_s, exc_info=fault)
            await asyncio.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, _LONGEST_BACK_OFF_S)


async def finished(name: str, work: Work) -> bool:
    """Whether `work` came to its end; a fault in it is logged and not raised."""
    fault = await fault_of(name, work)
    if fault is not None:
        log.error("task_failed", task=name, exc_info=fault)
    return fault is None


async def fault_of(name: str, work: Work) -> BaseException | None:
    """What `work` raised, in a task of that name; None when it came to its end.

    Whoever cancels the caller cancels the work, and nothing is returned before that has ended.
    """
    task = asyncio.create_task(work, name=name)
    try:
        await asyncio.wait((task,))
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait((task,))
        raise
    # It was not us who cancelled it, so that is a fault as well: it would be missing.
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def _logged(name: str, work: Work) -> None:
    await finished(name, work)
