"""Notices that a disk on which models lie is nearly full, before a download finds out."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mlx_gui.catalog.disk import room_of
from mlx_gui.catalog.disk_room import reserve_of
from mlx_gui.control.notices.news import News, low_disk

_EVERY_S = 60.0
_WELL_AGAIN = 1.1
"""So many times the reserve must be free until a disk is not low any more."""


class DiskWatch:
    """Looks once a minute at the disks of `folders`; `reserve_bytes` is as in DiskRoom."""

    def __init__(
        self,
        *,
        folders: Callable[[], Sequence[Path]],
        reserve_bytes: Callable[[], int],
        tell: Callable[[News], None],
    ) -> None:
        self._folders = folders
        self._reserve_bytes = reserve_bytes
        self._tell = tell
        self._low: frozenset[int] = frozenset()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Look once; a disk that was low before is no news."""
        known, set_bytes = self._low, self._reserve_bytes()
        # A disk may sleep.
        found = await asyncio.to_thread(
            low_disks, self._folders(), set_bytes=set_bytes, known=known
        )
        self._low = frozenset(found)
        for device, news in found.items():
            if device not in known:
                self._tell(news)


def low_disks(folders: Iterable[Path], *, set_bytes: int, known: frozenset[int]) -> dict[int, News]:
    """The disks of `folders` with too little room, each with what is to be told of it.

    `known` are those that had too little before. Folders whose disk is away are left out.
    """
    low: dict[int, News] = {}
    for folder in folders:
        room = room_of(folder)
        if room is None or room.device in low:
            continue
        reserve_bytes = reserve_of(room.total_bytes, set_bytes)
        wanted_bytes = reserve_bytes * (_WELL_AGAIN if room.device in known else 1)
        if room.free_bytes < wanted_bytes:
            low[room.device] = low_disk(
                str(folder), free_bytes=room.free_bytes, reserve_bytes=reserve_bytes
            )
    return low
