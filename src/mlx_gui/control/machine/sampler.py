"""The memory of the machine and of our processes: one sampler, and what a process holds."""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import structlog

from mlx_gui.control.machine.files import keyed_numbers, text
from mlx_gui.control.machine.macos import footprint_bytes
from mlx_gui.control.machine.platforms import machine_reader, on_macos
from mlx_gui.control.machine.pressure import pressure_level
from mlx_gui.control.machine.reading import MachineReader, MemoryReading, Pressure

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_SAMPLE_INTERVAL_S = 1.0
_WORKERS_INTERVAL_S = 5.0
_CHANGE_BYTES = 16 * 1024 * 1024
_PROC = Path("/proc")


def _ignore(level: Pressure) -> None:
    """What hears of pressure where nobody acts on it."""


def _no_workers() -> Mapping[str, int]:
    return {}


def _none_wanted() -> int:
    """The reserve where nobody has set one."""
    return 0


class MemorySampler:
    """The only thing that polls. `latest` is never older than its interval while it runs.

    Unless the system tells nothing, as when no file can be opened: then it is the last that was
    told, the log says so once, and each second it is tried again. `worker_bytes` is the
    proportional share of each worker by its model, as of the last five seconds. `on_pressure` hears
    the new level whenever it has changed. Both callbacks are called on the event loop.
    """

    def __init__(
        self,
        on_change: Callable[[], None],
        *,
        reader: MachineReader | None = None,
        on_pressure: Callable[[Pressure], None] = _ignore,
        worker_pids: Callable[[], Mapping[str, int]] = _no_workers,
        reserve_bytes: Callable[[], int] = _none_wanted,
    ) -> None:
        self.reader = reader or machine_reader()
        self.latest = self.reader.read()
        self.pressure: Pressure = pressure_level(
            self.latest, "normal", reserve_wanted_bytes=reserve_bytes()
        )
        self.worker_bytes: Mapping[str, int] = {}
        self._on_change = on_change
        self._on_pressure = on_pressure
        self._worker_pids = worker_pids
        self._reserve_bytes = reserve_bytes
        self._silent = False
        self._shown_available_bytes = self.latest.available_bytes

    async def run(self) -> None:
        """Sample until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_machine(), name="machine-memory")
            tasks.create_task(self._run_workers(), name="workers-memory")

    def now(self) -> MemoryReading:
        """The memory at this moment, or at the last one of which the system told."""
        try:
            return self.reader.read()
        except OSError:
            return self.latest

    def sample(self) -> None:
        """One reading of the machine; reports a change that a person could see."""
        if not self._read():
            return
        before, self.pressure = (
            self.pressure,
            pressure_level(self.latest, self.pressure, reserve_wanted_bytes=self._reserve_bytes()),
        )
        if before != self.pressure:
            available_bytes = self.latest.available_bytes
            log.info("memory_pressure", level=self.pressure, available_bytes=available_bytes)
            self._on_pressure(self.pressure)
        moved_bytes = abs(self.latest.available_bytes - self._shown_available_bytes)
        if moved_bytes >= _CHANGE_BYTES or before != self.pressure:
            self._shown_available_bytes = self.latest.available_bytes
            self._on_change()

    def _read(self) -> bool:
        try:
            self.latest = self.reader.read()
        except OSError as problem:
            if not self._silent:
                log.error("memory_not_told", reason=str(problem))
            self._silent = True
            return False
        if self._silent:
            log.info("memory_told_again")
        self._silent = False
        return True

    async def measure_workers(self) -> None:
        """One reading of all workers. It takes milliseconds for a large one, so in a thread."""
        pids = dict(self._worker_pids())
        if not pids:
            self.worker_bytes = {}
            return
        before = self.worker_bytes
        try:
            measured = await asyncio.to_thread(_pss_of_all, pids)
        except OSError:
            # What was known is still the best guess; `sample` tells the log.
            return
        self.worker_bytes = measured
        if any(
            abs(measured.get(model_id, 0) - before.get(model_id, 0)) >= _CHANGE_BYTES
            for model_id in measured.keys() | before.keys()
        ):
            self._on_change()

    async def _run_machine(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE_INTERVAL_S)
            self.sample()

    async def _run_workers(self) -> None:
        while True:
            await self.measure_workers()
            await asyncio.sleep(_WORKERS_INTERVAL_S)


def _pss_of_all(pids: Mapping[str, int]) -> dict[str, int]:
    return {model_id: process_pss_bytes(pid) for model_id, pid in pids.items()}


def process_rss_bytes(pid: int | None) -> int:
    """The resident set of a process; 0 when there is none, or the system does not tell."""
    if pid is None:
        return 0
    try:
        return psutil.Process(pid).memory_info().rss
    except (psutil.Error, OSError):
        return 0


def process_pss_bytes(pid: int | None) -> int:
    """The resident set, with its part of what it shares; on macOS the physical footprint.

    The resident set where that is not told; 0 when there is no process. Takes milliseconds for
    each gigabyte, so not for the event loop. Raises OSError when no file can be opened.
    """
    if pid is None:
        return 0
    if on_macos():
        return footprint_bytes(pid) or process_rss_bytes(pid)
    rollup = keyed_numbers(_PROC / str(pid) / "smaps_rollup")
    return rollup["Pss"] if "Pss" in rollup else process_rss_bytes(pid)


def process_private_bytes(pid: int | None) -> int:
    """What only the end of a process gives back: its memory without files and shares.

    Files that it has mapped are available to others anyway. Takes microseconds; 0 when there is no
    process, or the system does not tell.
    """
    if pid is None:
        return 0
    if on_macos():
        return footprint_bytes(pid) or process_rss_bytes(pid)
    try:
        pages = (text(_PROC / str(pid) / "statm") or "").split()
    except OSError:
        return 0
    if len(pages) < 3:
        return 0
    return max(int(pages[1]) - int(pages[2]), 0) * os.sysconf("SC_PAGE_SIZE")
