"""The preparation thread: requests are read and checked while the main thread answers others."""

import queue
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from mlx_gui.core.errors import Cancelled
from mlx_gui.core.generation import Event
from mlx_gui.core.model import MemoryUse
from mlx_gui.engines.base import Engine, PreparedRequest, StillWanted
from mlx_gui.ipc.channel import BlockingChannel
from mlx_gui.ipc.messages import Cancel, Output, Pong, RequestEvents, StartRequest
from mlx_gui.worker.guard import guarded


class Preparing:
    """Which request the preparation thread works on, and which it need not.

    The receiver tells what is cancelled, the preparation thread all else; any may read.
    """

    def __init__(self) -> None:
        self._now: tuple[str, float] | None = None
        self._cancelled: set[str] = set()

    def cancel(self, request_id: str) -> None:
        """Nobody waits for this request any more; a Cancel follows it through the queue."""
        self._cancelled.add(request_id)

    def forget(self, request_id: str) -> None:
        """All that came of this request has been looked at."""
        self._cancelled.discard(request_id)

    def check(self, request_id: str) -> None:
        """Raises Cancelled for a request that nobody waits for."""
        if request_id in self._cancelled:
            raise Cancelled("The request was cancelled before it was prepared.")

    @contextmanager
    def of(self, request_id: str) -> Generator[None]:
        """Inside, `request_id` is being prepared."""
        self._now = request_id, time.monotonic()
        try:
            yield
        finally:
            self._now = None

    def pong(self, nonce: int, memory: MemoryUse) -> Pong:
        """The answer to a ping, with what is being prepared and for how long."""
        now = self._now
        if now is None:
            return Pong(nonce, memory)
        request_id, since_s = now
        return Pong(nonce, memory, request_id, time.monotonic() - since_s)


def prepare_requests(
    engine: Engine,
    to_prepare: "queue.SimpleQueue[StartRequest | Cancel]",
    inbox: "queue.SimpleQueue[Any]",
    channel: BlockingChannel,
    *,
    preparing: Preparing,
    done_with_one: Callable[[], None],
) -> None:
    """Prepare requests in the order they came, for ever.

    A request that passes is reported as `Prepared` and goes to `inbox`; one that does not, and one
    that needs no MLX, is answered here and never reaches the main thread. After each of them
    `done_with_one` is called.
    """

    def tell(request_id: str, *events: Event) -> None:
        channel.send(Output((RequestEvents(request_id, events),)))

    while True:
        message = to_prepare.get()
        if isinstance(message, Cancel):
            preparing.forget(message.request_id)
            inbox.put(message)
            continue
        request_id = message.request_id
        check = partial(preparing.check, request_id)
        with preparing.of(request_id):
            done = guarded(channel, request_id, partial(_prepare, engine, message, check))
        if isinstance(done, PreparedRequest):
            tell(request_id, done.told)
            inbox.put(replace(done, tenant=message.tenant))
        elif done is not None:
            tell(request_id, *done)
        done_with_one()


def _prepare(
    engine: Engine, message: StartRequest, check: StillWanted
) -> PreparedRequest | tuple[Event, ...]:
    """The request ready for the main thread, or its whole answer."""
    check()
    return engine.prepare(message.request_id, message.request, check)
