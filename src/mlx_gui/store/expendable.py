"""Files whose loss harms nothing: one format each, no migrations, no copies."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import MetaData

from mlx_gui.store.connections import engine
from mlx_gui.store.database import Database
from mlx_gui.store.errors import DamagedDatabase, named_errors


def expendable(path: Path, tables: MetaData, *, format: int) -> Database:
    """The database `path` with `tables`, opened at its first use.

    A file that is damaged, or of another `format` (SQLite's `user_version`), is begun anew.
    """
    return Database(
        path,
        prepare=lambda path: _prepare(path, tables, format=format),
        on_damage="begin_anew",
    )


def _prepare(path: Path, tables: MetaData, *, format: int) -> None:
    with named_errors(path):
        # SQLite gives the files that it adds (-wal, -shm) the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            begun = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not begun:
            _create(path, tables, format=format)
        elif found != format:
            raise DamagedDatabase(
                f"{path} is of another version: its format is {found}, not {format}.",
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
