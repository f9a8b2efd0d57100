"""The file of a service: whole or not there, and gone without a trace."""

import os
from pathlib import Path

from mlx_gui.service.errors import ServiceError


def write_whole(path: Path, content: bytes) -> None:
    """`path` for its owner only, or nothing at all. Raises ServiceError."""
    made = [each for each in (path.parent, *path.parent.parents) if not each.exists()]
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        _forget(draft)
        for folder in made:
            _forget_empty(folder)
        raise ServiceError(
            f"{path} cannot be written: {error.strerror}.",
            hint="Change the permissions of its folder; nothing was installed.",
        ) from error


def remove(path: Path, *, home: Path) -> None:
    """`path` and the folders above it, below `home`, that nothing else is in.

    Raises ServiceError.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ServiceError(f"{path} cannot be removed: {error.strerror}.") from error
    for folder in path.parents:
        if not folder.is_relative_to(home) or folder == home or not _forget_empty(folder):
            return


def read(path: Path) -> bytes | None:
    """None where there is none. Raises ServiceError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServiceError(f"{path} cannot be read: {error.strerror}.") from error


def _forget(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        return


def _forget_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
