"""Connections to SQLite whose transactions are SQLite's own."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_S = 10


def engine(path: Path, *, pool_size: int, pragmas: Sequence[str]) -> Engine:
    """An engine that holds up to `pool_size` connections, each opened with `pragmas`.

    A transaction begins at the first statement, whatever that is. Python's driver by itself begins
    one at the first INSERT only, so that a migration's CREATE TABLE would stand outside of it.
    """
    made = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )

    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            # Nobody else closes a connection that never came to be, as on a full disk.
            cursor.close()
            connection.close()
            raise
        cursor.close()

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    event.listen(made, "connect", prepare)
    event.listen(made, "begin", begin)
    return made
