"""What a machine can be asked; one reader a platform answers."""

from dataclasses import dataclass
from typing import Literal, Protocol

Pressure = Literal["normal", "warn", "critical"]


@dataclass(frozen=True, slots=True)
class Stall:
    """Percent of the last ten seconds in which some work, or all of it, waited for memory (PSI)."""

    some: float
    full: float


@dataclass(frozen=True, slots=True)
class Container:
    """The tightest memory limit among the control groups that this process is in.

    `room_bytes` is what they let it take on top of what is taken; a file cache that the kernel
    would drop counts as room. `swap_bytes` is the limit of swap, None where there is none.
    """

    limit_bytes: int
    room_bytes: int
    swap_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """One reading of the memory that this process may use.

    `total_bytes` and `available_bytes` are the container's where it has less than the machine,
    whose own memory is `machine_bytes`. `wired_limit_bytes` is what the administrator of a Mac
    lets the GPU hold, None for the system's choice. `kernel_pressure` is None where the kernel
    gives no verdict of its own.
    """

    total_bytes: int
    available_bytes: int
    machine_bytes: int
    container: Container | None = None
    stall: Stall | None = None
    wired_limit_bytes: int | None = None
    kernel_pressure: Pressure | None = None


@dataclass(frozen=True, slots=True)
class MachineIdentity:
    """What machine this is; None where it does not say."""

    model: str | None
    chip: str | None
    cores: int | None
    system: str


class MachineReader(Protocol):
    """The one way to the platform's own interfaces. Both calls are quick and never wait."""

    def read(self) -> MemoryReading:
        """The memory right now. Raises OSError where the system does not tell."""
        ...

    def identify(self) -> MachineIdentity:
        """What does not change while the server runs."""
        ...
