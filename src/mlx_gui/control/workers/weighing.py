"""Whether the memory of a worker came back with its end."""

import asyncio
from dataclasses import dataclass

from mlx_gui.control.machine.platforms import machine_reader
from mlx_gui.control.machine.sampler import process_private_bytes

SETTLED_S = 2.0
"""So long after the end of a process all that it gave back is told as available."""

_LOOK_AGAIN_S = 0.05
_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class MemoryReturned:
    """What a worker held when it was asked to end, and what the system had free before and after.

    Other programs take and give meanwhile, so one figure proves little and many in a row much.
    """

    held_bytes: int
    available_before_bytes: int
    available_after_bytes: int

    @property
    def returned_bytes(self) -> int:
        """Less than 0 when others took more than came back."""
        return self.available_after_bytes - self.available_before_bytes

    @property
    def share(self) -> float:
        """What came back of what was held; 1 when nothing was."""
        return self.returned_bytes / self.held_bytes if self.held_bytes > 0 else 1.0

    @property
    def came_back(self) -> bool:
        """Whether all did, within 5 % of what was held."""
        return self.share >= 1 - _TOLERANCE


def weighed(pid: int) -> tuple[int, int] | None:
    """What the process holds and what the system has free beside it; None where that is not told.

    A worker's end must not depend on a reading: a server that is short of files reads nothing.
    """
    held_bytes, before_bytes = process_private_bytes(pid), available_bytes()
    return (held_bytes, before_bytes) if held_bytes and before_bytes is not None else None


async def memory_returned(held_bytes: int, before_bytes: int) -> MemoryReturned | None:
    """What came back of `held_bytes`: as soon as all of it did, at the latest after 2 s.

    None where the system did not tell.
    """
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + SETTLED_S
    returned: MemoryReturned | None = None
    while True:
        if (after_bytes := available_bytes()) is not None:
            returned = MemoryReturned(held_bytes, before_bytes, after_bytes)
        if (returned is not None and returned.came_back) or loop.time() >= ends_s:
            return returned
        await asyncio.sleep(_LOOK_AGAIN_S)


def available_bytes() -> int | None:
    """What the system could give to a new process now; None where it does not tell."""
    try:
        return machine_reader().read().available_bytes
    except OSError:
        return None
