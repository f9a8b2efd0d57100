"""Files whose loss harms nothing: one format each, no migrations, no copies."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, MetaData, create_engine

from mlx_gui.core.errors import DiskFull
from mlx_gui.store.connections import engine
from mlx_gui.store.database import Database
from mlx_gui.store.errors import DamagedDatabase, named_errors

T = TypeVar("T")


def expendable(path: Path, tables: MetaData, *, format: int) -> Database:
    """The database `path` with `tables`, opened at its first use.

    A file that is damaged, or of another `format` (SQLite's `user_version`), is begun anew. As long
    as the disk has no room to begin it, there is nothing to be read.
    """
    return _Expendable(path, tables, format=format)


class _Expendable(Database):
    def __init__(self, path: Path, tables: MetaData, *, format: int) -> None:
        super().__init__(path, prepare=self._begin, on_damage="begin_anew")
        self._tables = tables
        self._format = format
        self._has_tables = True

    async def read(self, work: Callable[[Connection], T]) -> T:
        try:
            return await super().read(work)
        except DiskFull:
            if self._has_tables:
                raise
        return await asyncio.to_thread(self._read_nothing, work)

    def _read_nothing(self, work: Callable[[Connection], T]) -> T:
        nothing = create_engine("sqlite://")
        try:
            with nothing.begin() as connection:
                self._tables.create_all(connection)
                return work(connection)
        finally:
            nothing.dispose()

    def _begin(self, path: Path) -> None:
        with named_errors(path):
            self._has_tables = path.exists()
            # SQLite gives the files that it adds (-wal, -shm) the mode of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(path)) as connection:
                found = connection.execute("PRAGMA user_version").fetchone()[0]
                begun = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            self._has_tables = bool(begun)
            if not begun:
                _create(path, self._tables, format=self._format)
                self._has_tables = True
            elif found != self._format:
                raise DamagedDatabase(
                    f"{path} is of another version: its format is {found}, not {self._format}.",
                    hint="It is begun anew.",
                )


def _create(path: Path, tables: MetaData, *, format: int) -> None:
    created = engine(path, pool_size=1, pragmas=("journal_mode=WAL",))
    try:
        with created.begin() as connection:
            tables.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version={format}")
    finally:
        created.dispose()
