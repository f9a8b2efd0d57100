"""macOS: what `sysctl` and `libproc` say."""

import ctypes
import platform
import sys
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from mlx_gui.control.machine.reading import MachineIdentity, MemoryReading, Pressure

Sysctl = Callable[[str], bytes | None]
"""A value of the kernel by its name, as it lies in memory; None where there is none."""

_LEVELS: Mapping[int, Pressure] = {1: "normal", 2: "warn", 4: "critical"}
"""The values of `kern.memorystatus_vm_pressure_level`, as the dispatch source names them."""

_MEGABYTE = 1024 * 1024
_LARGEST_VALUE_BYTES = 256
_RUSAGE_INFO_V0 = 0


class MacReader:
    """`sysctl` and `available_bytes` are the machine's own outside of tests."""

    def __init__(
        self,
        sysctl: Sysctl | None = None,
        available_bytes: Callable[[], int] = lambda: psutil.virtual_memory().available,
    ) -> None:
        self._sysctl = sysctl or system_sysctl()
        self._available_bytes = available_bytes

    def read(self) -> MemoryReading:
        """The memory that CPU and GPU share."""
        total_bytes = self._number("hw.memsize")
        if not total_bytes:
            raise OSError("hw.memsize does not tell the memory of this machine.")
        wired_megabytes = self._number("iogpu.wired_limit_mb") or 0
        return MemoryReading(
            total_bytes,
            min(self._available_bytes(), total_bytes),
            total_bytes,
            wired_limit_bytes=min(wired_megabytes * _MEGABYTE, total_bytes) or None,
            kernel_pressure=self._pressure(),
        )

    def identify(self) -> MachineIdentity:
        return MachineIdentity(
            model=self._text("hw.model"),
            chip=self._text("machdep.cpu.brand_string"),
            cores=self._number("hw.ncpu"),
            system=f"macOS {platform.mac_ver()[0]}".strip(),
        )

    def _pressure(self) -> Pressure | None:
        level = _LEVELS.get(self._number("kern.memorystatus_vm_pressure_level") or 0)
        if level is not None:
            return level
        pages = self._number("vm.memory_pressure")
        return None if pages is None else ("warn" if pages else "normal")

    def _number(self, name: str) -> int | None:
        value = self._sysctl(name)
        return None if value is None else int.from_bytes(value, sys.byteorder)

    def _text(self, name: str) -> str | None:
        value = self._sysctl(name)
        return None if value is None else value.rstrip(b"\0").decode(errors="replace") or None


def system_sysctl(library: Any = None) -> Sysctl:
    """Asks the kernel by `sysctlbyname` of `library`, by default the one of the system."""
    call = (library or ctypes.CDLL(None)).sysctlbyname

    def ask(name: str) -> bytes | None:
        value = ctypes.create_string_buffer(_LARGEST_VALUE_BYTES)
        size = ctypes.c_size_t(_LARGEST_VALUE_BYTES)
        failed = call(name.encode(), value, ctypes.byref(size), None, ctypes.c_size_t(0))
        return None if failed else value.raw[: size.value]

    return ask


class _Usage(ctypes.Structure):
    """`struct rusage_info_v0` of `sys/resource.h`."""

    _fields_ = (
        ("uuid", ctypes.c_uint8 * 16),
        ("user_time", ctypes.c_uint64),
        ("system_time", ctypes.c_uint64),
        ("package_idle_wakeups", ctypes.c_uint64),
        ("interrupt_wakeups", ctypes.c_uint64),
        ("pageins", ctypes.c_uint64),
        ("wired_size", ctypes.c_uint64),
        ("resident_size", ctypes.c_uint64),
        ("physical_footprint", ctypes.c_uint64),
        ("start_time", ctypes.c_uint64),
        ("exit_time", ctypes.c_uint64),
    )


def footprint_bytes(pid: int, library: Any = None) -> int | None:
    """The physical footprint of a process, with what it holds on the GPU; None if it is not told.

    `library` has `proc_pid_rusage`, by default the one of the system.
    """
    usage = _Usage()
    call = (library or ctypes.CDLL(None)).proc_pid_rusage
    failed = call(ctypes.c_int(pid), ctypes.c_int(_RUSAGE_INFO_V0), ctypes.byref(usage))
    return None if failed else int(usage.physical_footprint)
