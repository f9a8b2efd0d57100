"""Migrates copies of one database, each in a process of its own that SIGKILL ends.

usage: kill_during_migration.py REVISION FOLDER

The copy FOLDER/n is killed just before SQLite starts the n-th statement of the migration. The last
one is left to finish.
"""

import os
import signal
import sys
from pathlib import Path

import alembic.command  # noqa: F401 - imported once, before the processes part
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from mlx_gui.store.database import DATABASE_FILE
from mlx_gui.store.migrate import migrate
from tests.unit.store.databases import restore


def migrate_until(point: int, path: Path) -> None:
    """Runs the migration in this process; does not come back if it has `point` statements."""
    started = 0

    def count(_: str) -> None:
        nonlocal started
        started += 1
        if started == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def trace(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.set_trace_callback(count)

    event.listen(Pool, "connect", trace)
    migrate(path)


def main(revision: str, folder: Path) -> None:
    for point in range(1, 1000):
        copy = folder / str(point) / DATABASE_FILE
        copy.parent.mkdir()
        if revision != "none":
            restore(revision, copy)
        pid = os.fork()
        if pid == 0:
            migrate_until(point, copy)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            return
        assert os.WTERMSIG(status) == signal.SIGKILL


main(sys.argv[1], Path(sys.argv[2]))
