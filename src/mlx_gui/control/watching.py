"""Notices by itself that models came, changed or went."""

import asyncio
from collections.abc import Awaitable, Callable

from mlx_gui.catalog.library import Library
from mlx_gui.catalog.watch import Look, look_at

_LOOK_AT_SETTING_S = 5.0


class FolderWatch:
    """Looks at the model folders every `every_s`, 0 for never, and has them searched by `search`
    once a change is over.

    A look asks for a few times of change, on any disk and over any mount, which notices of the
    system do not tell of.
    """

    def __init__(
        self,
        library: Library,
        *,
        every_s: Callable[[], float],
        search: Callable[[], Awaitable[None]],
    ) -> None:
        self._library = library
        self._every_s = every_s
        self._search = search
        self._known: Look | None = None
        self._changing: Look | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            every_s = self._every_s()
            if every_s and self._library.scanned:
                await self.look()
            await asyncio.sleep(every_s or _LOOK_AT_SETTING_S)

    async def look(self) -> None:
        """Look once; what has changed since the last but one and is the same as in the last is
        searched for."""
        now = await self._look()
        if self._known is None or now == self._known:
            self._known, self._changing = now, None
        elif now != self._changing:
            self._changing = now
        else:
            await self._search()
            self._known, self._changing = await self._look(), None

    async def _look(self) -> Look:
        return await asyncio.to_thread(
            look_at, self._library.model_dirs(), self._library.sightings()
        )
