"""The memory limits of the control groups that this process is in, of either version.

Every group up the tree limits its children, so the smallest limit counts, and the smallest room.
Files as the kernel's `cgroup-v2.rst` and `cgroup-v1/memory.rst` describe them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlx_gui.control.machine.files import keyed_numbers, number, read_stall, text
from mlx_gui.control.machine.reading import Container, Stall

_UNLIMITED_BYTES = 2**60
"""Version 1 writes the largest number of pages that it can for no limit."""

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class _Mount:
    """A hierarchy as it is mounted here; `top` is the group that lies at `folder`."""

    version: int
    top: PurePosixPath
    folder: Path


@dataclass(frozen=True, slots=True)
class _Group:
    """The figures of a group that has a limit."""

    limit_bytes: int
    used_bytes: int
    swap_bytes: int | None
    stall: Stall | None


class MemoryCgroups:
    """The groups of this process below `root`, which is `/` outside of tests."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mounts = tuple(_mounts(root))

    def read(self) -> tuple[Container | None, Stall | None]:
        """The tightest limit with what is left of it, and the stall in the group that has it."""
        groups = list(self._groups())
        if not groups:
            return None, None
        tightest = min(groups, key=lambda group: group.limit_bytes)
        room_bytes = min(group.limit_bytes - group.used_bytes for group in groups)
        swaps = [group.swap_bytes for group in groups if group.swap_bytes is not None]
        container = Container(
            limit_bytes=tightest.limit_bytes,
            room_bytes=max(room_bytes, 0),
            swap_bytes=min(swaps, default=None),
        )
        return container, tightest.stall

    def _groups(self) -> Iterator[_Group]:
        own = _own_paths(text(self._root / "proc/self/cgroup") or "")
        for mount in self._mounts:
            if mount.version not in own:
                continue
            for folder in _folders(mount, own[mount.version]):
                group = _group_v2(folder) if mount.version == 2 else _group_v1(folder)
                if group is not None:
                    yield group


def _mounts(root: Path) -> Iterator[_Mount]:
    """The hierarchies that can hold a memory controller."""
    for line in (text(root / "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or len(kinds) < 3:
            continue
        if kinds[0] == "cgroup2":
            version = 2
        elif kinds[0] == "cgroup" and "memory" in kinds[2].split(","):
            version = 1
        else:
            continue
        folder = root / _unescaped(fields[4]).lstrip("/")
        yield _Mount(version, PurePosixPath(_unescaped(fields[3])), folder)


def _own_paths(lines: str) -> dict[int, PurePosixPath]:
    """This process's group by version of the hierarchy."""
    own: dict[int, PurePosixPath] = {}
    for line in lines.splitlines():
        number_, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number_ == "0" and not controllers:
            own[2] = PurePosixPath(path)
        elif "memory" in controllers.split(","):
            own[1] = PurePosixPath(path)
    return own


def _folders(mount: _Mount, path: PurePosixPath) -> Iterator[Path]:
    """The folders of `path` and of its parents, as far as they are mounted here.

    A container may see the outside's path while only its own group is mounted, or one that climbs
    out of its namespace; what is mounted is then its group.
    """
    if path.is_relative_to(mount.top):
        inside = path.relative_to(mount.top)
    else:
        inside = path.relative_to("/") if path.is_absolute() else path
    folder = mount.folder / inside
    if ".." in inside.parts or not folder.is_dir():
        folder = mount.folder
    while True:
        yield folder
        if folder == mount.folder:
            return
        folder = folder.parent


def _group_v2(folder: Path) -> _Group | None:
    """None for a group without a limit of its own, or without a memory controller."""
    # Above `high` the group is slowed down so much that it is a limit, too.
    limits = [number(folder / "memory.max"), number(folder / "memory.high")]
    known = [limit for limit in limits if limit is not None]
    used_bytes = number(folder / "memory.current") if known else None
    if used_bytes is None:
        return None
    cache_bytes = keyed_numbers(folder / "memory.stat").get("inactive_file", 0)
    return _Group(
        limit_bytes=min(known),
        used_bytes=max(used_bytes - cache_bytes, 0),
        swap_bytes=number(folder / "memory.swap.max"),
        stall=read_stall(folder / "memory.pressure"),
    )


def _group_v1(folder: Path) -> _Group | None:
    """None for a group without a limit, be it its own or of a parent that is not mounted here."""
    own_bytes = number(folder / "memory.limit_in_bytes")
    used_bytes = number(folder / "memory.usage_in_bytes")
    if own_bytes is None or used_bytes is None:
        return None
    stat = keyed_numbers(folder / "memory.stat")
    limit_bytes = min(own_bytes, stat.get("hierarchical_memory_limit", own_bytes))
    if limit_bytes >= _UNLIMITED_BYTES:
        return None
    with_swap_bytes = number(folder / "memory.memsw.limit_in_bytes") or _UNLIMITED_BYTES
    swap_bytes = with_swap_bytes - limit_bytes if with_swap_bytes < _UNLIMITED_BYTES else None
    return _Group(
        limit_bytes=limit_bytes,
        used_bytes=max(used_bytes - stat.get("total_inactive_file", 0), 0),
        swap_bytes=None if swap_bytes is None else max(swap_bytes, 0),
        stall=None,
    )


def _unescaped(field: str) -> str:
    """A path of mountinfo, where blanks are written in octal."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
