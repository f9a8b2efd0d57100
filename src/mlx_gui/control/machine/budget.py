"""What all models together may use, and what says so."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mlx_gui.config import Config
from mlx_gui.control.machine.reading import MemoryReading
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.units import format_bytes

_CPU_SHARE = 0.75
_RESERVE_BYTES = 2_000_000_000
_FRESH_S = 0.2

BoundName = Literal["setting", "device", "machine", "container", "free"]


@dataclass(frozen=True, slots=True)
class Bound:
    """One upper limit; `reason` ends a sentence, like "what Metal recommends for this device"."""

    name: BoundName
    limit_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes that all models together may use.

    `static_bytes` follows from machine and settings and stays; a model that does not fit into it
    never will. `now_bytes` is besides bounded by what other programs leave. `bounds` are all limits
    with `free` the last; `binding` is the reason of the one that decides now.
    """

    static_bytes: int
    now_bytes: int
    binding: str
    bounds: tuple[Bound, ...]
    reserve_bytes: int
    other_programs_bytes: int

    @property
    def static_reason(self) -> str:
        """The reason of the bound that decides at the best of times."""
        stays = (bound for bound in self.bounds if bound.name != "free")
        return min(stays, key=lambda bound: bound.limit_bytes).reason


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """What was set; 0 leaves a limit to the machine."""

    limit_bytes: int = 0
    reserve_bytes: int = 0

    @classmethod
    def of(cls, config: Config) -> "BudgetLimits":
        """What the settings of the server say."""
        return cls(config.memory_limit_bytes, config.memory_reserve_bytes)


class BudgetSource:
    """The budget whenever it is asked for. Belongs to the event loop's thread and never waits."""

    def __init__(
        self,
        read: Callable[[], MemoryReading],
        limits: Callable[[], BudgetLimits],
        *,
        device: Callable[[], DeviceFacts | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._limits = limits
        self._device = device
        self._clock = clock
        self._reading: MemoryReading | None = None
        self._read_at_s = 0.0

    def current(self, models_used_bytes: int) -> Budget:
        """From a reading that is at most 0.2 s old.

        `models_used_bytes` is what our workers hold of the memory that the reading calls taken:
        the sum of their `control/machine/sampler.py:process_private_bytes`.
        """
        now_s = self._clock()
        if self._reading is None or now_s - self._read_at_s >= _FRESH_S:
            self._reading, self._read_at_s = self._read(), now_s
        return self.of(self._reading, models_used_bytes)

    def of(self, reading: MemoryReading, models_used_bytes: int) -> Budget:
        """From `reading`."""
        return budget(
            reading,
            device=self._device(),
            limits=self._limits(),
            models_used_bytes=models_used_bytes,
        )


def budget(
    reading: MemoryReading,
    *,
    device: DeviceFacts | None,
    limits: BudgetLimits,
    models_used_bytes: int,
) -> Budget:
    """The smallest of what was set, what suits the device, and what machine and container have.

    And now: no more than what is free or ours already. The reserve stays free for the system.
    """
    reserve_bytes = reserve_of(reading.total_bytes, limits.reserve_bytes)
    less = f"less a reserve of {format_bytes(reserve_bytes)}"
    static = [
        _device_bound(reading, device),
        _bound("machine", reading.machine_bytes - reserve_bytes, f"the machine's memory, {less}"),
    ]
    if limits.limit_bytes:
        static.append(
            _bound("setting", limits.limit_bytes, "the limit that was set (memory_limit_bytes)")
        )
    if reading.container is not None:
        static.append(
            _bound(
                "container",
                reading.container.limit_bytes - reserve_bytes,
                f"the memory limit of the container (cgroup), {less}",
            )
        )
    used_bytes = max(models_used_bytes, 0)
    free = _bound(
        "free",
        reading.available_bytes + used_bytes - reserve_bytes,
        f"what other programs leave free now, {less}",
    )
    # What never changes wins a tie: it is the better explanation.
    binding = min([*static, free], key=lambda bound: bound.limit_bytes)
    return Budget(
        static_bytes=min(bound.limit_bytes for bound in static),
        now_bytes=binding.limit_bytes,
        binding=binding.reason,
        bounds=(*static, free),
        reserve_bytes=reserve_bytes,
        other_programs_bytes=max(reading.total_bytes - reading.available_bytes - used_bytes, 0),
    )


def reserve_of(total_bytes: int, wanted_bytes: int) -> int:
    """What stays free for the system: as wanted, else 2 GB or a quarter of a small memory."""
    return wanted_bytes or min(_RESERVE_BYTES, total_bytes // 4)


def _device_bound(reading: MemoryReading, device: DeviceFacts | None) -> Bound:
    if device is None or device.working_set_bytes is None:
        share_bytes = int(reading.machine_bytes * _CPU_SHARE)
        return _bound("device", share_bytes, "three quarters of the machine's memory")
    if device.backend == "cuda":
        return _bound("device", device.working_set_bytes, "the memory of the GPU")
    if reading.wired_limit_bytes is not None:
        # The probe's answer is remembered, and this may have been changed since.
        return _bound("device", reading.wired_limit_bytes, "the GPU's limit (iogpu.wired_limit_mb)")
    return _bound("device", device.working_set_bytes, "what Metal recommends for this device")


def _bound(name: BoundName, limit_bytes: int, reason: str) -> Bound:
    return Bound(name, max(limit_bytes, 0), reason)
