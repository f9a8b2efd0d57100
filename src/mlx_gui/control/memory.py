"""The machine's memory: one sampler, and the budget that follows from it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import psutil

from mlx_gui.core.device import DeviceFacts

_SAMPLE_INTERVAL_S = 1.0
_CHANGE_BYTES = 16 * 1024 * 1024
_CPU_SHARE = 0.75
_RESERVE_BYTES = 2_000_000_000

Pressure = Literal["normal", "warn", "critical"]


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """One reading of the whole machine."""

    total_bytes: int
    available_bytes: int
    pressure: Pressure


class MemorySampler:
    """The only thing that polls. `latest` is never older than its interval while it runs."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.latest = read_memory()
        self._on_change = on_change

    async def run(self) -> None:
        """Sample until cancelled; reports a change that a person could see."""
        while True:
            await asyncio.sleep(_SAMPLE_INTERVAL_S)
            before, self.latest = self.latest, read_memory()
            moved_bytes = abs(before.available_bytes - self.latest.available_bytes)
            if moved_bytes >= _CHANGE_BYTES or before.pressure != self.latest.pressure:
                self._on_change()


def read_memory() -> MemoryReading:
    """What the system says right now."""
    memory = psutil.virtual_memory()
    return MemoryReading(memory.total, memory.available, _pressure(memory.available, memory.total))


def budget_bytes(total_bytes: int, device: DeviceFacts | None, limit_bytes: int) -> int:
    """What all models together may use; `limit_bytes` 0 means that the user set no limit.

    The smallest of the user's limit, what the device recommends (Metal), has (CUDA) or a share of
    the memory (CPU), and the memory less a reserve for the system.
    """
    by_device = int(total_bytes * _CPU_SHARE)
    if device is not None and device.working_set_bytes is not None:
        by_device = device.working_set_bytes
    reserve_bytes = min(_RESERVE_BYTES, total_bytes // 4)
    bounds = [by_device, total_bytes - reserve_bytes]
    return min([*bounds, limit_bytes] if limit_bytes else bounds)


def _pressure(available_bytes: int, total_bytes: int) -> Pressure:
    share = available_bytes / total_bytes
    if share < 0.05:
        return "critical"
    return "warn" if share < 0.12 else "normal"


def process_rss_bytes(pid: int | None) -> int:
    """The resident set of a process; 0 when there is none."""
    if pid is None:
        return 0
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0
