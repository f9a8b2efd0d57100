"""Whether the memory of a worker came back with its end."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlx_gui.control.machine.files import text

_TOLERANCE = 0.05
_KEPT_PAGES = re.compile(r"^\s+count:\s+(\d+)$", re.MULTILINE)


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


def available_bytes(proc: Path = Path("/proc")) -> int:
    """What the system could give to a new process now.

    On Linux with what each processor keeps of the pages that were freed on it: up to an eighth of
    the memory since 6.7, handed out again at once, and not counted as free for seconds.
    """
    kept_pages = _KEPT_PAGES.findall(text(proc / "zoneinfo") or "")
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    return psutil.virtual_memory().available + sum(map(int, kept_pages)) * page_bytes
