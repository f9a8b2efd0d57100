"""Keeps a sample every ten seconds and what happened, thins out the old and drops the oldest."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import structlog

from mlx_gui.core.chart_mark import ChartMark, ChartMarkKind
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.store.errors import StoreError
from mlx_gui.store.samples import Sample, SampleStore

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

INTERVAL_S = 10
_FORGET_EVERY = 360
MOST_WAITING = 500
"""So much that has happened waits to be written; the oldest goes for what is more."""
_DAY_S = 86_400


class SampleRecorder:
    """Writes what `take` returns. A write that fails is no harm: it is logged once, then tried on.

    With 0 `retention_days` nothing is kept, and after a change to it nothing of before. Samples of
    more than a day are thinned out.
    """

    def __init__(
        self, store: SampleStore, *, take: Callable[[], Sample], retention_days: Callable[[], int]
    ) -> None:
        self._store = store
        self._take = take
        self._retention_days = retention_days
        self._kept_s = retention_days() * _DAY_S
        self._thinned_s = 0
        self._marks: deque[ChartMark] = deque(maxlen=MOST_WAITING)
        self._recorded = 0
        self._failing = False

    @property
    def waiting(self) -> tuple[ChartMark, ...]:
        """What happened and is not in the file yet."""
        return tuple(self._marks)

    def mark(
        self,
        kind: ChartMarkKind,
        model: str | None = None,
        *,
        cause: str | None = None,
        text: str = "",
    ) -> None:
        """Something has happened that charts are to name."""
        self._marks.append(ChartMark(time.time(), kind, model, cause, text))

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            await self.record()
            await asyncio.sleep(INTERVAL_S)

    async def record(self) -> None:
        """Keep the present moment, and drop what is too old.

        That is done the first time, once an hour, and when it has been set anew how long they last.
        """
        marks = self.waiting
        kept_s = self._retention_days() * _DAY_S
        set_anew = kept_s != self._kept_s
        if not (kept_s or set_anew):
            return
        sample = self._take()
        try:
            if kept_s:
                await self._store.add(sample, marks)
                # Those that have come meanwhile stay, also where they pushed old ones out.
                while self._marks and self._marks[0] in marks:
                    self._marks.popleft()
            if set_anew or self._recorded % _FORGET_EVERY == 0:
                # Where nothing is kept, what is of this second goes as well.
                await self._store.forget(before_s=sample.at_s - kept_s + (not kept_s))
                await self._thin(sample.at_s - _DAY_S)
            self._kept_s = kept_s
        except (StoreError, MlxGuiError) as error:
            if not self._failing:
                log.error("samples_not_kept", reason=error.message)
            self._failing = True
            return
        if self._failing:
            log.info("samples_kept_again")
        self._failing = False
        self._recorded += 1

    async def _thin(self, before_s: int) -> None:
        await self._store.thin(from_s=self._thinned_s, before_s=before_s)
        self._thinned_s = before_s
