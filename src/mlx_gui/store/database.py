"""The doors to SQLite: a thread that writes, a few that read, none of them the event loop's."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeVar

import structlog
from sqlalchemy import Connection, Engine

from mlx_gui.store.connections import engine
from mlx_gui.store.data_dir import make_private
from mlx_gui.store.errors import DamagedDatabase, named_errors
from mlx_gui.store.migrate import migrate

DATABASE_FILE = "mlx-gui.db"
READERS = 2

# With a write-ahead log the file system has every commit once it is acknowledged, so the death of
# this process loses none. Only the machine's own can take the last ones, for which a wait for the
# disk at every commit would be too dear.
_WRITING = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")
_READING = ("query_only=ON",)

OnDamage = Literal["refuse", "begin_anew"]

T = TypeVar("T")
log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Database:
    """A file of SQLite. Use the functions beside this module as the `work` of read and write.

    `prepare` gives the file its tables before its first use. Where it finds damage, or a later use
    does, the error is the caller's; or, to `begin_anew`, the file is set aside beside itself, which
    the log tells, and a new one begun. Such a file has one thread for everything, so that nobody
    reads what is being set aside.
    """

    def __init__(
        self, path: Path, *, prepare: Callable[[Path], None], on_damage: OnDamage = "refuse"
    ) -> None:
        self._path = path
        self._prepare = prepare
        self._begins_anew = on_damage == "begin_anew"
        self._engines: _Engines | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"{path.stem}-write")
        self._reader = (
            self._writer
            if self._begins_anew
            else ThreadPoolExecutor(READERS, thread_name_prefix=f"{path.stem}-read")
        )

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, run on one unchanging state of the database. Raises StoreError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, self._run, "read", work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once its transaction is committed; nothing stays if it raises.

        Writes happen one by one in the order of the calls. One that has begun is finished even if
        its caller is cancelled. Raises StoreError or DiskFull.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._run, "write", work)

    def close(self) -> None:
        """Finishes what was asked for and closes the file; blocks meanwhile."""
        for executor in {self._writer, self._reader}:
            executor.shutdown()
        self._dispose()

    def _run(self, use: Literal["read", "write"], work: Callable[[Connection], T]) -> T:
        if not self._begins_anew:
            return self._try(use, work)
        try:
            return self._try(use, work)
        except DamagedDatabase as damage:
            log.warning("database_begun_anew", path=str(self._path), reason=damage.message)
        self._set_aside()
        return self._try(use, work)

    def _try(self, use: Literal["read", "write"], work: Callable[[Connection], T]) -> T:
        with named_errors(self._path):
            engines = self._opened()
            chosen = engines.read if use == "read" else engines.write
            with chosen.begin() as connection:
                return work(connection)

    def _opened(self) -> "_Engines":
        if self._engines is None:
            self._prepare(self._path)
            self._engines = _Engines(
                write=engine(self._path, pool_size=1, pragmas=_WRITING),
                read=engine(self._path, pool_size=READERS, pragmas=_READING),
            )
        return self._engines

    def _set_aside(self) -> None:
        self._dispose()
        with named_errors(self._path):
            self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _dispose(self) -> None:
        if self._engines is not None:
            for each in (self._engines.read, self._engines.write):
                each.dispose()
            self._engines = None


class Store(Database):
    """The database of settings, models and stored responses, which is never begun anew."""

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """The database of `data_dir`, created or upgraded as needed; blocks meanwhile.

        Raises a StoreError that says why it cannot be used, or DiskFull.
        """
        make_private(data_dir)
        store = cls(data_dir / DATABASE_FILE, prepare=migrate)
        # Before anybody reads: two threads would otherwise prepare it at once.
        store._opened()
        return store


@dataclass(frozen=True, slots=True)
class _Engines:
    write: Engine
    read: Engine
