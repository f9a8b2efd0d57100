"""Database files as released versions left them."""

import sqlite3
from contextlib import closing
from pathlib import Path

DUMPS = Path(__file__).with_name("dumps")


def restore(revision: str, path: Path) -> None:
    """Writes to `path` the database that is dumped as `revision`."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript((DUMPS / f"{revision}.sql").read_text(encoding="utf-8"))


def schema(path: Path) -> dict[str, str]:
    """The SQL of every table and index by its name."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        return dict(connection.execute(query).fetchall())


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    """Everything in `table`."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
