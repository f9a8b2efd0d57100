"""The macOS reader on values as a Mac told them, and its calls on a library of our own."""

import ctypes
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from mlx_gui.control.machine.macos import MacReader, footprint_bytes, system_sysctl
from mlx_gui.control.machine.reading import Pressure

GIB = 2**30
MAC: Mapping[str, bytes] = {
    "hw.memsize": (36 * GIB).to_bytes(8, sys.byteorder),
    "kern.memorystatus_vm_pressure_level": (1).to_bytes(4, sys.byteorder),
    "vm.memory_pressure": (0).to_bytes(4, sys.byteorder),
    "iogpu.wired_limit_mb": (0).to_bytes(4, sys.byteorder),
    "hw.model": b"Mac15,6\0",
    "machdep.cpu.brand_string": b"Apple M3 Pro\0",
    "hw.ncpu": (12).to_bytes(4, sys.byteorder),
}


def reader(changes: Mapping[str, int | None] = {}) -> MacReader:
    changed = {
        name: None if value is None else value.to_bytes(4, sys.byteorder)
        for name, value in changes.items()
    }
    return MacReader({**MAC, **changed}.get, available_bytes=lambda: 20 * GIB)


def test_a_mac_shares_all_its_memory() -> None:
    reading = reader().read()

    assert (reading.total_bytes, reading.machine_bytes) == (36 * GIB, 36 * GIB)
    assert reading.available_bytes == 20 * GIB
    assert (reading.container, reading.stall, reading.wired_limit_bytes) == (None, None, None)


@pytest.mark.parametrize(
    ("level", "pages", "pressure"),
    [
        (1, 0, "normal"),
        (2, 0, "warn"),
        (4, 0, "critical"),
        (None, 0, "normal"),
        (None, 512, "warn"),
        (None, None, None),
        (3, None, None),
    ],
)
def test_the_kernels_level_is_named(
    level: int | None, pages: int | None, pressure: Pressure | None
) -> None:
    changed = reader({"kern.memorystatus_vm_pressure_level": level, "vm.memory_pressure": pages})
    assert changed.read().kernel_pressure == pressure


@pytest.mark.parametrize(
    ("megabytes", "limit_bytes"), [(0, None), (None, None), (28_672, 28 * GIB), (99_999, 36 * GIB)]
)
def test_a_limit_that_an_administrator_set_is_read(
    megabytes: int | None, limit_bytes: int | None
) -> None:
    assert reader({"iogpu.wired_limit_mb": megabytes}).read().wired_limit_bytes == limit_bytes


def test_a_mac_says_what_it_is() -> None:
    identity = reader().identify()

    assert (identity.model, identity.chip, identity.cores) == ("Mac15,6", "Apple M3 Pro", 12)
    assert identity.system.startswith("macOS")


def test_a_machine_without_these_values_is_an_error() -> None:
    with pytest.raises(OSError, match=r"hw\.memsize"):
        MacReader(lambda _: None, available_bytes=lambda: GIB).read()


def test_a_value_is_asked_for_as_the_kernel_wants_it() -> None:
    prototype = ctypes.CFUNCTYPE(
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_size_t),
        ctypes.c_void_p,
        ctypes.c_size_t,
    )

    def sysctlbyname(name: bytes, value: int, size: Any, new: int | None, new_size: int) -> int:
        content = MAC.get(name.decode())
        if content is None or size[0] < len(content) or new is not None or new_size:
            return -1
        ctypes.memmove(value, content, len(content))
        size[0] = len(content)
        return 0

    ask = system_sysctl(SimpleNamespace(sysctlbyname=prototype(sysctlbyname)))

    assert ask("hw.model") == b"Mac15,6\0"
    assert ask("hw.ncpu") == MAC["hw.ncpu"]
    assert ask("hw.nothing") is None


def test_a_footprint_lies_where_the_header_says() -> None:
    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)

    def proc_pid_rusage(pid: int, flavour: int, buffer: int) -> int:
        if pid != 42 or flavour != 0:
            return -1
        # 16 bytes of id, then ten numbers, of which the eighth is the footprint.
        numbers = (ctypes.c_uint64 * 10)(1, 2, 3, 4, 5, 6, 7, 3 * GIB, 9, 10)
        ctypes.memmove(buffer + 16, numbers, ctypes.sizeof(numbers))
        return 0

    library = SimpleNamespace(proc_pid_rusage=prototype(proc_pid_rusage))

    assert footprint_bytes(42, library) == 3 * GIB
    assert footprint_bytes(43, library) is None
