"""Writing that is on the disk once it returns. Raises OSError."""

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Whoever reads `path` finds the old content or the new one, also after a crash."""
    unfinished = path.with_name(f"{path.name}.new")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was made, renamed and removed in `folder` is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
