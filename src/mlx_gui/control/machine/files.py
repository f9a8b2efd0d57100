"""Small files that the Linux kernel writes; None and nothing where one is absent or senseless.

Where no file at all can be opened, because this process or the system has too many, each function
raises OSError: a limit that cannot be read is not a limit that is not there.
"""

import errno
from pathlib import Path

from mlx_gui.control.machine.reading import Stall

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def text(path: Path) -> str | None:
    """All of it."""
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError as problem:
        if problem.errno in _SHORTAGES:
            raise
        return None


def number(path: Path) -> int | None:
    """A file of one number; the word `max` is none."""
    content = (text(path) or "").strip()
    return int(content) if content.isdecimal() else None


def keyed_numbers(path: Path) -> dict[str, int]:
    """A file of lines like `inactive_file 4096` or `MemTotal:  4 kB`, whose kilobytes are bytes."""
    found: dict[str, int] = {}
    for line in (text(path) or "").splitlines():
        words = line.split()
        if len(words) >= 2 and words[1].isdecimal():
            scale = 1024 if words[2:3] == ["kB"] else 1
            found[words[0].removesuffix(":")] = int(words[1]) * scale
    return found


def read_stall(path: Path) -> Stall | None:
    """The averages over ten seconds of a PSI file."""
    averages: dict[str, float] = {}
    for line in (text(path) or "").splitlines():
        match line.split():
            case [name, average, *_] if average.startswith("avg10="):
                try:
                    averages[name] = float(average.removeprefix("avg10="))
                except ValueError:
                    return None
            case _:
                pass
    if "some" not in averages:
        return None
    return Stall(averages["some"], averages.get("full", 0.0))
