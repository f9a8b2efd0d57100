"""The warm spare: a worker that has imported everything and waits for a model."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import aclosing
from typing import Literal

import structlog

from mlx_gui.control.machine.sampler import process_private_bytes
from mlx_gui.control.supervision import finished
from mlx_gui.control.workers.process import WorkerSettings
from mlx_gui.core.model import LoadSpec
from mlx_gui.ipc.child import Child
from mlx_gui.ipc.messages import PROTOCOL_VERSION, Prewarm, Warmed

log = structlog.get_logger(__name__)

_STOP_ASK_S = 1.0
_STOP_TERMINATE_S = 3.0
_FAILURES_UNTIL_REST = 3
_REST_S = 600.0

Fate = Literal["taken", "dismissed"]


def _ignore() -> None:
    """What hears of changes where nobody shows them."""


class WarmSpare:
    """At most one process. It has no policy: who owns the memory says when there may be one.

    Called on the event loop only. `on_change` hears when there is another one to be shown, or none.
    """

    def __init__(
        self,
        settings: Callable[[], WorkerSettings],
        *,
        engine: str,
        on_change: Callable[[], None] = _ignore,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._on_change = on_change
        self._child: Child | None = None
        self._warm = False
        self._fate: asyncio.Future[Fate] | None = None
        self._life: asyncio.Task[None] | None = None
        self._failures = 0
        self._failed_s = 0.0

    def ensure(self, *, allowed: bool) -> None:
        """Begin to start one if there is none, or to end the one that is there.

        After three in a row that did not start or ended by themselves there is no other for ten
        minutes.
        """
        if not allowed:
            self._decide("dismissed")
        elif (self._life is None or self._life.done()) and not self._resting():
            self._fate = asyncio.get_running_loop().create_future()
            self._life = asyncio.create_task(self._live(self._fate), name="spare-watch")

    def take(self, spec: LoadSpec) -> Child | None:
        """The spare, for whoever loads `spec`; None when there is none that can load it."""
        child = self._child
        if child is None or child.ended or not self._warm or spec.engine != self._engine:
            return None
        if not self._decide("taken"):
            return None
        self._forget()
        self._failures = 0
        return child

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    @property
    def warm(self) -> bool:
        """Whether it can be taken."""
        return self._warm

    def held_bytes(self) -> int:
        """What the spare holds now; 0 while there is none."""
        return process_private_bytes(self.pid)

    async def wait_ended(self) -> None:
        """Until there is no spare any more; one that was taken is none."""
        if self._life is not None:
            await self._life

    async def close(self) -> None:
        """End the spare, if there is one."""
        self._decide("dismissed")
        await self.wait_ended()

    def _resting(self) -> bool:
        """Whether so many have failed that another one has to wait."""
        if self._failures < _FAILURES_UNTIL_REST:
            return False
        if asyncio.get_running_loop().time() - self._failed_s < _REST_S:
            return True
        self._failures = 0
        return False

    def _failed(self) -> None:
        self._failures += 1
        self._failed_s = asyncio.get_running_loop().time()

    def _decide(self, fate: Fate) -> bool:
        """Whether this was decided now and not before."""
        if self._fate is None or self._fate.done():
            return False
        self._fate.set_result(fate)
        return True

    async def _live(self, fate: "asyncio.Future[Fate]") -> None:
        """Whatever goes wrong in here, there may be another one after it."""
        if await finished("spare", self._follow_fate(fate)):
            return
        self._failed()
        lost = self._child
        if lost is not None and not (fate.done() and fate.result() == "taken"):
            self._forget()
            lost.signal(signal.SIGKILL)
            await lost.wait()

    async def _follow_fate(self, fate: "asyncio.Future[Fate]") -> None:
        settings = self._settings()
        first = Prewarm(
            PROTOCOL_VERSION,
            self._engine,
            settings.blas,
            settings.cache_dir,
            settings.memory_limit_bytes,
        )
        try:
            child = self._child = await Child.start("worker", first, settings.environment)
        except OSError as problem:
            self._failed()
            log.warning("spare_not_started", reason=str(problem))
            return
        self._on_change()
        following = asyncio.create_task(self._follow(child))
        await asyncio.wait((fate, following), return_when=asyncio.FIRST_COMPLETED)
        following.cancel()
        if fate.done() and fate.result() == "taken":
            return
        self._forget()
        exit_ = await child.stop(ask_s=_STOP_ASK_S, terminate_s=_STOP_TERMINATE_S)
        if not fate.done():
            self._failed()
            log.warning("spare_ended", reason=exit_.reason, output=list(exit_.output_tail[-12:]))

    async def _follow(self, child: Child) -> None:
        """Returns when the spare has ended. Its taker listens to it after `Warmed`, nobody here."""
        async with aclosing(child.messages()) as messages:
            async for message in messages:
                if isinstance(message, Warmed):
                    self._warm = True
                    self._on_change()
                    break
        await child.wait()

    def _forget(self) -> None:
        self._child = None
        self._warm = False
        self._on_change()
