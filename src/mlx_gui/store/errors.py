"""Why the data directory or the database in it cannot be used.

    StoreError
    ├── DataDirInUse      another server holds the data directory
    ├── DamagedDatabase   the file is no database of ours, or its content is broken
    └── NewerDatabase     a later mlx-gui wrote it

These stop the start; a request that meets one is answered with `core.errors.StoreUnavailable`. A
full disk is `core.errors.DiskFull` in either case.
"""

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from mlx_gui.core.errors import DiskFull


class StoreError(Exception):
    """`message` is one sentence with the values; `hint` says what to do."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DataDirInUse(StoreError):
    pass


class DamagedDatabase(StoreError):
    pass


class NewerDatabase(StoreError):
    pass


def backups_of(path: Path) -> Path:
    """The folder of the copies that were made before upgrades of the database `path`."""
    return path.parent / "backups"


def or_a_copy(path: Path, what_to_do: str) -> str:
    """`what_to_do`, or to put a copy of the database in its place, where there is one."""
    folder = backups_of(path)
    if not any(folder.glob(f"*{path.suffix}")):
        return what_to_do
    return f"{what_to_do}, or put a copy from {folder} in its place"


@contextmanager
def named_errors(path: Path) -> Generator[None]:
    """Turns what SQLite and the file system say about `path` into the errors of this module.

    What is no fact about file, disk or rights, such as a broken constraint, passes as it is.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error, OSError) as error:
        origin = error.orig if isinstance(error, DBAPIError) else error
        named = _named(origin, path)
        if named is None:
            raise
        raise named from error


def _named(error: BaseException | None, path: Path) -> Exception | None:
    reason = str(error)
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        family, reason = "FULL" if full else "CANTOPEN", error.strerror or reason
    else:
        # Such as SQLITE_IOERR_WRITE; absent from errors of Python's own, like a closed connection.
        name: str = getattr(error, "sqlite_errorname", "")
        family = name.removeprefix("SQLITE_").partition("_")[0]
    match family:
        case "FULL":
            return DiskFull(
                f"The disk of {path} is full.", hint="Free some space there and try again."
            )
        case "NOTADB" | "CORRUPT":
            return DamagedDatabase(
                f"The database {path} is damaged: {reason}.",
                hint=f"{or_a_copy(path, 'Move it away')}: models stay, settings made in the "
                "interface are lost.",
            )
        case "BUSY" | "LOCKED":
            return StoreError(
                f"Another program keeps the database {path} locked.",
                hint="Close the program that has it open.",
            )
        case "READONLY" | "CANTOPEN" | "PERM" | "AUTH" | "IOERR":
            return StoreError(
                f"{path} cannot be read and written: {reason}.",
                hint="Check the folder's owner and rights, or choose another one by "
                "MLX_GUI_DATA_DIR.",
            )
        case _:
            return None
