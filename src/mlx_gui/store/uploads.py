"""What requests bring and is too large for memory: files for as long as their request lasts.

They lie in folders that only their owner may read, one for each request. What a server that was
killed has left there is removed by the next one.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import structlog

from mlx_gui.core.blob import INLINE_BYTES, Blob, Content
from mlx_gui.core.errors import DiskFull, ShuttingDown
from mlx_gui.core.units import format_bytes
from mlx_gui.store.data_dir import make_private
from mlx_gui.store.errors import named_errors

T = TypeVar("T")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

FOLDER = "uploads"
LEFT_BYTES = 256 * 1024 * 1024
"""Of the disk, for everybody else: the database may be on it too."""


class Uploads:
    """The folder of these files; who makes it holds the data directory.

    One thread writes and removes all of them, in the order in which that was asked for.
    """

    def __init__(self, cache_dir: Path, *, left_bytes: int = LEFT_BYTES) -> None:
        self.folder = cache_dir / FOLDER
        self.left_bytes = left_bytes
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="uploads")
        self._closed = False
        _empty(self.folder)

    @asynccontextmanager
    async def of_request(self) -> AsyncGenerator["RequestFiles"]:
        """What one request brings; it is gone when the block has ended, however it does."""
        files = RequestFiles(self.folder, left_bytes=self.left_bytes)
        try:
            yield files
        finally:
            if not self._closed:
                # Shielded: who waits here may be cancelled once more.
                await asyncio.shield(self.aside(files.remove))

    async def aside(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises in the thread of the files."""
        if self._closed:
            raise ShuttingDown("The server is stopping and takes no uploads.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Remove what is left; nothing is taken from now on."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(_empty, self.folder)


class RequestFiles:
    """The files of one request, for the thread of `Uploads.aside` only."""

    def __init__(self, folder: Path, *, left_bytes: int) -> None:
        self.folder = folder
        self._own = folder / uuid4().hex
        self._left_bytes = left_bytes
        self._files: list[FileIO] = []

    def create(self) -> FileIO:
        """A new file that is to be written. Raises StoreError or DiskFull."""
        for folder in (self.folder, self._own):
            make_private(folder)
        with named_errors(self.folder):
            path = self._own / str(len(self._files))
            file = FileIO(str(path), "x", opener=_private)
        self._files.append(file)
        return file

    def keep(self, data: bytes) -> Blob:
        """`data` in a file. Raises StoreError or DiskFull."""
        file = self.create()
        self.check_room(len(data))
        self.write(file, data)
        file.close()
        return Blob(str(file.name), len(data))

    def write(self, file: FileIO, data: bytes) -> None:
        """Add all of `data` to a file of `create`. Raises StoreError or DiskFull."""
        rest = memoryview(data)
        with named_errors(self.folder):
            while rest:
                rest = rest[file.write(rest) :]

    def check_room(self, wanted_bytes: int) -> None:
        """Raises DiskFull where so much more would leave too little to others."""
        with named_errors(self.folder):
            system = os.statvfs(self._own)
        free_bytes = system.f_bavail * system.f_frsize
        if free_bytes - wanted_bytes < self._left_bytes:
            raise DiskFull(
                f"The disk of {self.folder} has {format_bytes(free_bytes)} left, too little for "
                f"what the request brings: {format_bytes(self._left_bytes)} stay free.",
                hint="Free some space there and try again.",
                details={"free_bytes": free_bytes},
            )

    def remove(self) -> None:
        """Whatever was written, finished or not."""
        for file in self._files:
            file.close()
        if self._own.exists():
            _remove(self._own)


class Incoming:
    """One content as it arrives: in memory while it is small, in a file from then on."""

    def __init__(self, files: RequestFiles) -> None:
        self._files = files
        self._held = bytearray()
        self._file: FileIO | None = None
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Take the next piece. Raises StoreError or DiskFull."""
        self.size_bytes += len(data)
        if self._file is None:
            self._held += data
            if self.size_bytes <= INLINE_BYTES:
                return
            self._file = self._files.create()
            data = bytes(self._held)
            self._held.clear()
        self._files.check_room(len(data))
        self._files.write(self._file, data)

    def complete(self) -> Content:
        """All that was written, when nothing more comes."""
        if self._file is None:
            return bytes(self._held)
        self._file.close()
        return Blob(str(self._file.name), self.size_bytes)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _empty(folder: Path) -> None:
    try:
        left = list(folder.iterdir())
    except OSError:
        # It is not there yet, most likely; whoever writes into it says what else it may be.
        return
    for each in left:
        _remove(each)


def _remove(folder: Path) -> None:
    """What stays because the system does not let it go is told, and tried again at the start."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("upload_not_removed", folder=str(folder), reason=str(error))
