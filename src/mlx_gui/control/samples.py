"""Keeps a sample every ten seconds, and drops the old ones."""

import asyncio
from collections.abc import Callable

import structlog

from mlx_gui.core.errors import MlxGuiError
from mlx_gui.store.errors import StoreError
from mlx_gui.store.samples import Sample, SampleStore

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

INTERVAL_S = 10
_FORGET_EVERY = 360
_DAY_S = 86_400


class SampleRecorder:
    """Writes what `take` returns. A write that fails is no harm: it is logged once, then tried on.

    With 0 `retention_days` nothing is kept.
    """

    def __init__(
        self, store: SampleStore, *, take: Callable[[], Sample], retention_days: Callable[[], int]
    ) -> None:
        self._store = store
        self._take = take
        self._retention_days = retention_days
        self._recorded = 0
        self._failing = False

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            await self.record()
            await asyncio.sleep(INTERVAL_S)

    async def record(self) -> None:
        """Keep the present moment; the first time and once an hour, drop what is too old."""
        retention_s = self._retention_days() * _DAY_S
        if not retention_s:
            return
        sample = self._take()
        try:
            await self._store.add(sample)
            if self._recorded % _FORGET_EVERY == 0:
                await self._store.forget(before_s=sample.at_s - retention_s)
        except (StoreError, MlxGuiError) as error:
            if not self._failing:
                log.error("samples_not_kept", reason=error.message)
            self._failing = True
            return
        if self._failing:
            log.info("samples_kept_again")
        self._failing = False
        self._recorded += 1
