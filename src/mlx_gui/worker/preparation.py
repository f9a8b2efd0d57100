"""The preparation thread: requests are read and checked while the main thread answers others."""

import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from mlx_gui.core.errors import Cancelled
from mlx_gui.core.generation import Event
from mlx_gui.core.model import MemoryUse
from mlx_gui.engines.base import Engine, PreparedRequest, StillWanted, TakesLong
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


class Detour:
    """A thread for requests that take long to prepare; they come back when the work is done.

    It is started with the first of them. `preparing` keeps a cancelled one for as long as it is
    away, also when its Cancel has passed.
    """

    def __init__(
        self,
        to_prepare: "queue.SimpleQueue[StartRequest | Cancel]",
        channel: BlockingChannel,
        preparing: Preparing,
    ) -> None:
        self._to_prepare = to_prepare
        self._channel = channel
        self._preparing = preparing
        self._work: queue.SimpleQueue[tuple[StartRequest, Callable[[], None]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        # Those that are away, and whether their Cancel has passed meanwhile.
        self._away: dict[str, bool] = {}
        self._started = False

    def take(self, message: StartRequest, work: Callable[[], None]) -> None:
        """Do `work` and let the request come back; what fails is answered here."""
        with self._lock:
            self._away.setdefault(message.request_id, False)
        self._work.put((message, work))
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="detour", daemon=True).start()

    def is_away(self, request_id: str) -> bool:
        """Whether the request was taken and has not ended."""
        with self._lock:
            return request_id in self._away

    def passes(self, request_id: str) -> bool:
        """Whether the request is away whose Cancel comes by."""
        with self._lock:
            if request_id in self._away:
                self._away[request_id] = True
            return request_id in self._away

    def end(self, request_id: str) -> None:
        """The request is prepared, or answered."""
        with self._lock:
            cancelled = self._away.pop(request_id, False)
        if cancelled:
            self._preparing.forget(request_id)

    def _run(self) -> None:
        while True:
            message, work = self._work.get()
            guarded(self._channel, message.request_id, partial(self._do, message, work))

    def _do(self, message: StartRequest, work: Callable[[], None]) -> None:
        came = False
        try:
            work()
            came = True
        finally:
            if came:
                self._to_prepare.put(message)
            else:
                self.end(message.request_id)


def prepare_requests(
    engine: Engine,
    to_prepare: "queue.SimpleQueue[StartRequest | Cancel]",
    inbox: "queue.SimpleQueue[Any]",
    channel: BlockingChannel,
    *,
    preparing: Preparing,
    done_with_one: Callable[[], None],
) -> None:
    """Prepare requests in the order they came, for ever; what takes long lets others pass.

    A request that passes is reported as `Prepared` and goes to `inbox`; one that does not, and one
    that needs no MLX, is answered here and never reaches the main thread. After each of them
    `done_with_one` is called.
    """

    def tell(request_id: str, *events: Event) -> None:
        channel.send(Output((RequestEvents(request_id, events),)))

    detour = Detour(to_prepare, channel, preparing)
    while True:
        message = to_prepare.get()
        request_id = message.request_id
        if isinstance(message, Cancel):
            if not detour.passes(request_id):
                preparing.forget(request_id)
            inbox.put(message)
            continue
        back = detour.is_away(request_id)
        check = partial(preparing.check, request_id)
        with preparing.of(request_id):
            done = guarded(channel, request_id, partial(_prepare, engine, message, check))
        if isinstance(done, TakesLong):
            detour.take(message, partial(done.work, check))
        else:
            detour.end(request_id)
        if isinstance(done, PreparedRequest):
            tell(request_id, done.told)
            inbox.put(replace(done, tenant=message.tenant))
        elif isinstance(done, tuple):
            tell(request_id, *done)
        if not back:
            done_with_one()


def _prepare(
    engine: Engine, message: StartRequest, check: StillWanted
) -> PreparedRequest | tuple[Event, ...] | TakesLong:
    """The request ready for the main thread, or its whole answer, or why it has to wait."""
    check()
    try:
        return engine.prepare(message.request_id, message.request, check)
    except TakesLong as long:
        return long
