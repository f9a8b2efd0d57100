"""Linux: what `/proc` and `/sys` say."""

import os
import re
import shlex
from pathlib import Path

from mlx_gui.control.machine.cgroups import MemoryCgroups
from mlx_gui.control.machine.files import keyed_numbers, read_stall, text
from mlx_gui.control.machine.reading import MachineIdentity, MemoryReading, Stall

_ROOT = Path("/")
_KEPT_PAGES = re.compile(r"^\s+count:\s+(\d+)$", re.MULTILINE)


class LinuxReader:
    """Reads below `root`, which is `/` outside of tests."""

    def __init__(self, root: Path = _ROOT) -> None:
        self._root = root
        self._cgroups = MemoryCgroups(root)

    def read(self) -> MemoryReading:
        """The machine's memory, or its container's where that is limited to less."""
        path = self._root / "proc/meminfo"
        info = keyed_numbers(path)
        if "MemTotal" not in info or "MemAvailable" not in info:
            raise OSError(f"{path} does not tell the memory of this machine.")
        machine_bytes = info["MemTotal"]
        available_bytes = min(info["MemAvailable"] + self._kept_bytes(), machine_bytes)
        container, inside = self._cgroups.read()
        stall = _worse(read_stall(self._root / "proc/pressure/memory"), inside)
        if container is None or container.limit_bytes > machine_bytes:
            return MemoryReading(machine_bytes, available_bytes, machine_bytes, stall=stall)
        return MemoryReading(
            container.limit_bytes,
            min(available_bytes, container.room_bytes),
            machine_bytes,
            container=container,
            stall=stall,
        )

    def _kept_bytes(self) -> int:
        """What processors keep of the pages that were freed on them.

        Up to an eighth of the memory since Linux 6.7: handed out again at once, and not counted as
        free for seconds.
        """
        pages = _KEPT_PAGES.findall(text(self._root / "proc/zoneinfo") or "")
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")

    def identify(self) -> MachineIdentity:
        cpus = _fields(text(self._root / "proc/cpuinfo") or "")
        model = text(self._root / "sys/class/dmi/id/product_name") or text(
            self._root / "proc/device-tree/model"
        )
        return MachineIdentity(
            model=(model or "").strip("\0\n ") or None,
            chip=next((value for key, value in cpus if key == "model name" and value), None),
            cores=sum(key == "processor" for key, _ in cpus) or None,
            system=_system(text(self._root / "etc/os-release") or ""),
        )


def _worse(one: Stall | None, other: Stall | None) -> Stall | None:
    if one is None or other is None:
        return one or other
    return Stall(max(one.some, other.some), max(one.full, other.full))


def _fields(cpuinfo: str) -> list[tuple[str, str]]:
    parts = (line.partition(":") for line in cpuinfo.splitlines())
    return [(key.strip(), value.strip()) for key, _, value in parts]


def _system(os_release: str) -> str:
    for line in os_release.splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            try:
                return " ".join(shlex.split(value)) or "Linux"
            except ValueError:
                break
    return "Linux"
