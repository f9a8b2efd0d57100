"""Runs the child that fetches, and says how fast it is."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from mlx_gui.control.jobs.bandwidth import Bandwidth
from mlx_gui.core.errors import MlxGuiError, WorkerFailed, from_info
from mlx_gui.core.fetching import FetchOrder, FetchState
from mlx_gui.core.program import explained
from mlx_gui.ipc.child import Child
from mlx_gui.ipc.messages import (
    PROTOCOL_VERSION,
    ErrandDone,
    FetchLimit,
    FetchProgress,
    StartFailed,
    StartFetch,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_STOP_ASK_S = 5.0
_STOP_TERMINATE_S = 3.0
_MOST_CHILDREN = 5
_MOST_KILLED = 100
_REST_S = 0.2
_RATE_OVER_S = 10.0
_ETA_AFTER_S = 5.0


class _Died(Exception):
    """A child has ended with its work undone; `killed` says that it was not at fault."""

    def __init__(self, failure: MlxGuiError, *, killed: bool) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.killed = killed


async def fetch(
    order: FetchOrder,
    environment: Mapping[str, str],
    tell: Callable[[FetchState], None],
    bandwidth: Bandwidth,
) -> None:
    """Returns when all files of `order` are there. Cancelling ends the child, which keeps its own.

    A child that dies is replaced, unless none of the last few has brought anything; of those that
    somebody has killed it takes many. Raises what the fetch raises, WorkerFailed and ProgramGone.
    """
    in_vain = 0.0
    while True:
        came_bytes = 0

        def note(state: FetchState) -> None:
            nonlocal came_bytes
            came_bytes = state.came_bytes
            tell(state)

        try:
            return await _fetch_once(order, environment, note, bandwidth)
        except _Died as died:
            most = _MOST_KILLED if died.killed else _MOST_CHILDREN
            in_vain = 0.0 if came_bytes else in_vain + 1 / most
            log.warning("fetch_died", reason=died.failure.message, came_bytes=came_bytes)
            if in_vain >= 1:
                raise died.failure from None
            await asyncio.sleep(_REST_S)


async def _fetch_once(
    order: FetchOrder,
    environment: Mapping[str, str],
    tell: Callable[[FetchState], None],
    bandwidth: Bandwidth,
) -> None:
    try:
        child = await Child.start("fetch", StartFetch(PROTOCOL_VERSION, order), environment)
    except OSError as problem:
        failure = WorkerFailed(f"The process that fetches cannot be started: {problem}")
        raise explained(failure) from problem
    done = False
    try:
        with bandwidth.shared(lambda share_bytes: child.send(FetchLimit(share_bytes))):
            async for message in child.messages():
                match message:
                    case FetchProgress(state):
                        tell(state)
                    case ErrandDone():
                        done = True
                    case StartFailed(error):
                        raise from_info(error)
                    case _:
                        pass
    finally:
        exit_ = await child.stop(ask_s=_STOP_ASK_S, terminate_s=_STOP_TERMINATE_S)
    if not done:
        failure = explained(WorkerFailed(f"The process that fetches {exit_.reason}."))
        raise _Died(failure, killed=exit_.cause == "killed")


class Speed:
    """Bytes a second over the last ten, and how long the rest takes at that pace."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self._since_s: float | None = None

    def note(self, came_bytes: int) -> None:
        """So many bytes have come in all; fewer than before are those of a new beginning."""
        now_s = self._clock()
        if self._samples and came_bytes < self._samples[-1][1]:
            self._samples.clear()
        if self._since_s is None and came_bytes:
            self._since_s = now_s
        self._samples.append((now_s, came_bytes))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - _RATE_OVER_S:
            self._samples.popleft()

    @property
    def bytes_per_s(self) -> float | None:
        """None before there is anything to tell it by."""
        if len(self._samples) < 2:
            return None
        (from_s, from_bytes), (to_s, to_bytes) = self._samples[0], self._samples[-1]
        return (to_bytes - from_bytes) / (to_s - from_s) if to_s > from_s else None

    def left_s(self, left_bytes: int) -> float | None:
        """None until bytes have come for five seconds, and while none do."""
        rate = self.bytes_per_s
        known = self._since_s is not None and self._clock() - self._since_s >= _ETA_AFTER_S
        return left_bytes / rate if rate and known else None
