"""The door to SQLite: one thread that writes, a few that read, none of them the event loop's."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine

from mlx_gui.store.connections import engine
from mlx_gui.store.data_dir import make_private
from mlx_gui.store.errors import named_errors
from mlx_gui.store.migrate import migrate

DATABASE_FILE = "mlx-gui.db"
READERS = 2

T = TypeVar("T")


class Store:
    """An open database. Use the functions beside this module as the `work` of read and write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # With a write-ahead log the file system has every commit once it is acknowledged, so the
        # death of this process loses none. Only the machine's own can take the last ones, for
        # which a wait for the disk at every commit would be too dear.
        self._write_engine = engine(
            path,
            pool_size=1,
            pragmas=("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"),
        )
        self._read_engine = engine(path, pool_size=READERS, pragmas=("query_only=ON",))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """The database of `data_dir`, created or upgraded as needed; blocks meanwhile.

        Raises a StoreError that says why it cannot be used, or DiskFull.
        """
        make_private(data_dir)
        path = data_dir / DATABASE_FILE
        migrate(path)
        return cls(path)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, run on one unchanging state of the database."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._run, self._read_engine, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once its transaction is committed; nothing stays if it raises.

        Writes happen one by one in the order of the calls. One that has begun is finished even if
        its caller is cancelled.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._run, self._write_engine, work)

    def close(self) -> None:
        """Finishes what was asked for and closes the file; blocks meanwhile."""
        for executor in (self._writer, self._readers):
            executor.shutdown()
        for each in (self._read_engine, self._write_engine):
            each.dispose()

    def _run(self, chosen: Engine, work: Callable[[Connection], T]) -> T:
        with named_errors(self._path), chosen.begin() as connection:
            return work(connection)
