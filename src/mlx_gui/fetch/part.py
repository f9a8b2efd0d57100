"""A file that has come in part: what is written, and what of that survives a crash."""

import contextlib
import errno
import os
import threading
from pathlib import Path
from typing import Any

import msgspec

from mlx_gui.core.durable import sync_folder, write_durably
from mlx_gui.core.errors import Conflict, DiskFull
from mlx_gui.core.fetching import FetchFile
from mlx_gui.fetch.spans import Spans


class Replaced(Exception):
    """The bytes are of a version of the file that is not wanted any more."""


class _Journal(msgspec.Struct, omit_defaults=True):
    """`validator` is the ETag under which the bytes came.

    Of a whole file, `verified` is the inode and the time at which its digest held.
    """

    size_bytes: int
    validator: str | None
    spans: list[tuple[int, int]]
    verified: tuple[int, int] | None = None


class PartFile:
    """Written by several threads at once, each its own bytes; kept by one.

    Bytes are of a `generation`: a reset makes a new one, and who still brings the old gets
    Replaced. All of it raises DiskFull, and Conflict where the folder cannot be written.
    """

    def __init__(self, file: FetchFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        """Held by who waits for the disk, so that nobody ends meanwhile what it waits for."""
        self._written = Spans()
        self._kept = Spans()
        self._open = True
        self.validator: str | None = None
        self.generation = 0
        with disk(file.part):
            self._descriptor = os.open(file.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        journal = read_journal(file)
        if journal is not None:
            self._written, self._kept = Spans(journal.spans), Spans(journal.spans)
            self.validator = journal.validator

    @property
    def kept_bytes(self) -> int:
        """What is on the disk, whatever happens."""
        with self._lock:
            return self._kept.total

    @property
    def complete(self) -> bool:
        with self._lock:
            return self._written.total == self._file.size_bytes

    def gaps(self) -> list[tuple[int, int]]:
        with self._lock:
            return list(self._written.gaps(self._file.size_bytes))

    def write(self, data: bytes, offset: int, *, generation: int) -> None:
        """Raises Replaced."""
        with self._lock:
            if generation != self.generation:
                raise Replaced
            with disk(self._file.part):
                view, at = memoryview(data), offset
                while view:
                    count = os.pwrite(self._descriptor, view, at)
                    view, at = view[count:], at + count
            self._written.add(offset, offset + len(data))

    def keep(self) -> None:
        """What is written so far is there also after a crash of the machine."""
        with self._keeping:
            with self._lock:
                written = self._written.copy()
                if not self._open or written.total == self._kept.total:
                    return
                journal = _Journal(self._file.size_bytes, self.validator, list(written))
            with disk(self._file.part):
                os.fsync(self._descriptor)
                write_durably(Path(self._file.journal), msgspec.json.encode(journal))
            with self._lock:
                self._kept = written

    def reset(self, validator: str | None) -> None:
        """Nothing of what has come counts any more."""
        with self._keeping, self._lock, disk(self._file.part):
            self.generation += 1
            self.validator = validator
            self._written, self._kept = Spans(), Spans()
            Path(self._file.journal).unlink(missing_ok=True)
            os.ftruncate(self._descriptor, 0)

    def finish(self) -> None:
        """It gets its own name; its digest was looked at."""
        with self._keeping, disk(self._file.part):
            os.fsync(self._descriptor)
            Path(self._file.part).replace(self._file.target)
            sync_folder(Path(self._file.target).parent)
            note_verified(self._file)
            self._end()

    def close(self) -> None:
        with self._keeping:
            self._end()

    def _end(self) -> None:
        if self._open:
            self._open = False
            os.close(self._descriptor)


def read_journal(file: FetchFile) -> _Journal | None:
    """What an earlier run has kept; None when nothing can be relied on."""
    try:
        journal = msgspec.json.decode(Path(file.journal).read_bytes(), type=_Journal)
        there_bytes = Path(file.part).stat().st_size
    except (OSError, msgspec.DecodeError):
        return None
    ordered = all(0 <= start < end for start, end in journal.spans)
    end = Spans(journal.spans).end if ordered else 0
    if (
        not ordered
        or journal.size_bytes != file.size_bytes
        or not end <= min(there_bytes, file.size_bytes)
    ):
        return None
    return journal


def note_verified(file: FetchFile) -> None:
    """The digest of the whole file holds. Raises DiskFull, Conflict."""
    with disk(file.journal):
        stat = Path(file.target).stat()
        journal = _Journal(file.size_bytes, None, [], (stat.st_ino, stat.st_mtime_ns))
        write_durably(Path(file.journal), msgspec.json.encode(journal))


def is_verified(file: FetchFile) -> bool:
    """Whether the whole file is there, and nobody has written to it since its digest held."""
    try:
        journal = msgspec.json.decode(Path(file.journal).read_bytes(), type=_Journal)
        stat = Path(file.target).stat()
    except (OSError, msgspec.DecodeError):
        return False
    return stat.st_size == file.size_bytes and journal.verified == (stat.st_ino, stat.st_mtime_ns)


def kept_bytes(file: FetchFile) -> int:
    """What an earlier run has brought of `file`."""
    journal = read_journal(file)
    return 0 if journal is None else Spans(journal.spans).total


class disk(contextlib.AbstractContextManager[None]):
    """What the system says against `path` becomes DiskFull, or Conflict."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError):
            folder = Path(self._path).parent
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(
                    f"The disk of {folder} is full.",
                    hint="Free some space there; what has come so far is kept.",
                ) from error
            raise Conflict(
                f"{self._path} cannot be written: {error.strerror or error}.",
                hint="Check the folder's owner and rights, and whether its disk is there.",
            ) from error
