"""Threads for questions to a stranger, who may never answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

from mlx_gui.core.errors import (
    PROGRAM_ERRORS,
    HubUnreachable,
    InternalError,
    MlxGuiError,
    ShuttingDown,
)
from mlx_gui.core.program import explained

T = TypeVar("T")


class HubThreads:
    """So many questions at once at most, each in a thread that no end of the process waits for.

    Belongs to the event loop's thread.
    """

    def __init__(self, most: int) -> None:
        self._turns = asyncio.Semaphore(most)
        self._stopping = asyncio.Event()

    async def run(self, work: Callable[[], T], *, within_s: float) -> T:
        """What `work` returns or raises; ShuttingDown as soon as `stop` was called.

        HubUnreachable when it takes longer than `within_s`, which no time-out of a connection
        holds where a name is looked up.
        """
        if self._stopping.is_set():
            raise _stopped()
        async with self._turns:
            asked = asyncio.wrap_future(_begun(work))
            # Nobody may be left to hear how it ended.
            asked.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            stopping = asyncio.ensure_future(self._stopping.wait())
            try:
                await asyncio.wait(
                    {asked, stopping}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                stopping.cancel()
            if asked.done():
                return asked.result()
        if self._stopping.is_set():
            raise _stopped()
        raise HubUnreachable(
            f"The hub did not answer within {within_s:g} s.", hint="Try again later."
        )

    def stop(self) -> None:
        """Have everybody who waits hear that the server stops."""
        self._stopping.set()


def _begun(work: Callable[[], T]) -> Future[T]:
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            found = work()
        except (MlxGuiError, OSError, RuntimeError, *PROGRAM_ERRORS) as error:
            # A RuntimeError is what a connection raises that was closed meanwhile.
            outcome.set_exception(error)
        else:
            outcome.set_result(found)
        finally:
            if not outcome.done():
                outcome.set_exception(explained(InternalError("A question to the hub failed.")))

    outcome.set_running_or_notify_cancel()
    Thread(target=run, name="hub", daemon=True).start()
    return outcome


def _stopped() -> ShuttingDown:
    return ShuttingDown("The server is stopping, and asks the hub for nothing more.")
