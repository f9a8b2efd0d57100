"""How long stored responses stay."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from mlx_gui.core.errors import MlxGuiError
from mlx_gui.store.database import Store
from mlx_gui.store.errors import StoreError
from mlx_gui.store.responses import forget_old_responses

log = structlog.get_logger(__name__)

_DAY_S = 86_400


class ResponseRetention:
    """Forgets responses that are older than so many `days`."""

    def __init__(self, store: Store, *, days: Callable[[], int]) -> None:
        self._store = store
        self._days = days

    async def run(self) -> None:
        """At once, and once a day from then on."""
        while True:
            await self.forget_old()
            await asyncio.sleep(_DAY_S)

    async def forget_old(self) -> None:
        """What is too old goes now; that it cannot is logged."""
        # Times are to the second: where nothing is kept, those of this second go as well.
        kept = timedelta(days=self._days()) - timedelta(seconds=1)
        before = (datetime.now(UTC) - kept).isoformat(timespec="seconds")
        try:
            gone = await self._store.write(
                lambda connection: forget_old_responses(connection, before=before)
            )
        except (StoreError, MlxGuiError) as error:
            log.error("old_responses_kept", reason=error.message)
        else:
            if gone:
                log.info("old_responses_removed", count=gone)
