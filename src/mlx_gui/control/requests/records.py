"""Keeps the records of requests: in batches, beside the event loop, and no harm if that fails."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import islice

import structlog

from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.request_record import RequestRecord
from mlx_gui.store.errors import StoreError
from mlx_gui.store.request_figures import RequestFigures
from mlx_gui.store.requests import Bounds, Page, RequestStore, Wanted

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

INTERVAL_S = 1.0
MOST_WAITING = 20_000
"""Records that wait for a disk that takes none; older ones are lost."""

_BATCH = 1_000
_LONGEST_REST_S = 3600.0
"""Old records go at least so often, also where nothing new comes."""


class RequestRecords:
    """The records of a server. `bounds` says how many are to be kept, at each time anew.

    A write that fails is logged once, and tried again with the next ones. `on_kept` is called when
    there are newer ones to be read.
    """

    def __init__(
        self, store: RequestStore, *, bounds: Callable[[], Bounds], on_kept: Callable[[], None]
    ) -> None:
        self._store = store
        self._bounds = bounds
        self._on_kept = on_kept
        self._waiting: deque[RequestRecord] = deque(maxlen=MOST_WAITING)
        self._arrived = asyncio.Event()
        self._failing = False
        self.last = 0
        """The number of the newest record that is kept, as far as it was read or written."""

    def keep(self, record: RequestRecord) -> None:
        """Have `record` written within a second or so."""
        self._waiting.append(record)
        self._arrived.set()

    async def run(self) -> None:
        """Write until cancelled. The file is opened when there is something, not at the start."""
        while True:
            try:
                async with asyncio.timeout(_LONGEST_REST_S):
                    await self._arrived.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(INTERVAL_S)
            self._arrived.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what has come by now."""
        while await self._write() and self._waiting:
            pass

    async def find(
        self, wanted: Wanted, *, limit: int, after: int | None = None, before: int | None = None
    ) -> Page:
        """As `RequestStore.find`, with all that have ended by now. Raises StoreError."""
        await self.flush()
        return await self._store.find(wanted, limit=limit, after=after, before=before)

    async def get(self, name: str) -> RequestRecord | None:
        """As `RequestStore.get`, with all that have ended by now. Raises StoreError."""
        await self.flush()
        return await self._store.get(name)

    async def last_used(self) -> dict[str, float]:
        """As `RequestStore.last_used`, with all that have ended by now. Raises StoreError."""
        await self.flush()
        return await self._store.last_used()

    async def figures(self, *, from_s: int, to_s: int, step_s: int) -> RequestFigures:
        """As `RequestStore.figures`, with all that have ended by now. Raises StoreError."""
        await self.flush()
        return await self._store.figures(from_s=from_s, to_s=to_s, step_s=step_s)

    async def failed_since(self, since_s: float) -> int:
        """As `RequestStore.failed_since`. Raises StoreError."""
        return await self._store.failed_since(since_s)

    async def close(self) -> None:
        """Write what is left, and close the file."""
        await self.flush()
        await asyncio.to_thread(self._store.close)

    async def _write(self) -> bool:
        """Write one batch; False where that failed."""
        bounds = self._bounds()
        if not bounds.rows or not bounds.days:
            self._waiting.clear()
        batch = list(islice(self._waiting, _BATCH))
        for _ in batch:
            self._waiting.popleft()
        try:
            self.last = await self._store.add(batch, bounds=bounds, now_s=time.time())
        except (StoreError, MlxGuiError) as error:
            room = MOST_WAITING - len(self._waiting)
            self._waiting.extendleft(reversed(batch[len(batch) - min(room, len(batch)) :]))
            if not self._failing:
                log.error("requests_not_kept", reason=error.message)
            self._failing = True
            return False
        if self._failing:
            log.info("requests_kept_again")
        self._failing = False
        if batch:
            self._on_kept()
        return True
