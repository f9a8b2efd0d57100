"""What stays free on a disk, and whether it has room for what is to be downloaded onto it."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from mlx_gui.core.errors import DiskFull
from mlx_gui.core.units import format_bytes

_USUAL_RESERVE_BYTES = 2 * 1000**3
_LARGEST_SHARE = 20


def reserve_of(total_bytes: int, set_bytes: int) -> int:
    """What is to stay free on a disk of that size; 0 `set_bytes` is the usual."""
    return set_bytes or min(_USUAL_RESERVE_BYTES, total_bytes // _LARGEST_SHARE)


class Promise:
    """What one download will still write."""

    def __init__(self, disk: int, left_bytes: int) -> None:
        self.disk = disk
        self.left_bytes = left_bytes


class DiskRoom:
    """Knows what has been promised of each disk, so that two downloads do not count on the same.

    `reserve_bytes` is what is to stay free, 0 the usual.
    """

    def __init__(self, reserve_bytes: Callable[[], int]) -> None:
        self._reserve_bytes = reserve_bytes
        self._promises: set[Promise] = set()

    @asynccontextmanager
    async def promised(self, folder: Path, needed_bytes: int) -> AsyncGenerator[Promise]:
        """Room for `needed_bytes` on the disk of `folder`, which exists. Raises DiskFull.

        Whoever writes lowers what is left of the promise.
        """
        disk, usage = await asyncio.to_thread(
            lambda: (folder.stat().st_dev, shutil.disk_usage(folder))
        )
        reserve_bytes = reserve_of(usage.total, self._reserve_bytes())
        others_bytes = sum(each.left_bytes for each in self._promises if each.disk == disk)
        room_bytes = max(0, usage.free - reserve_bytes - others_bytes)
        if needed_bytes > room_bytes:
            promised = f", and {format_bytes(others_bytes)} for other downloads"
            raise DiskFull(
                f"{format_bytes(needed_bytes)} are needed on the disk of {folder}, which has room "
                f"for {format_bytes(room_bytes)}: {format_bytes(usage.free)} are free, less a "
                f"reserve of {format_bytes(reserve_bytes)}{promised if others_bytes else ''}.",
                hint="Free some space there and let the download go on, or set "
                "disk_reserve_bytes lower.",
                details={"needed_bytes": needed_bytes, "free_bytes": usage.free},
            )
        promise = Promise(disk, needed_bytes)
        self._promises.add(promise)
        try:
            yield promise
        finally:
            self._promises.discard(promise)
