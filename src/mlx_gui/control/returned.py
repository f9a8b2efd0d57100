"""Whether the memory of a worker came back with its end."""

from dataclasses import dataclass

import psutil

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


def available_bytes() -> int:
    """What the system could give to a new process now."""
    return psutil.virtual_memory().available
