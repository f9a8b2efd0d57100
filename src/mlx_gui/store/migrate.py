"""Brings a database file to the newest revision, whole or not at all."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from mlx_gui.store.connections import engine
from mlx_gui.store.errors import (
    DamagedDatabase,
    NewerDatabase,
    backups_of,
    named_errors,
    or_a_copy,
)
from mlx_gui.store.schema import REVISIONS

KEPT_BACKUPS = 3
_SCRIPTS = Path(__file__).with_name("migrations")


def migrate(path: Path) -> None:
    """Creates `path` or upgrades it, after a copy into `backups/`; most often does neither.

    Raises NewerDatabase, DamagedDatabase or another StoreError, and then has changed nothing.
    """
    with named_errors(path):
        # SQLite gives the files that it adds (-wal, -shm) the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        revision = _revision(path)
        if revision == REVISIONS[-1]:
            return
        if revision is not None:
            _back_up(path, revision)
        _upgrade(path)


def _revision(path: Path) -> str | None:
    """What the database says of itself; None when it is empty."""
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not tables:
            return None
        row = None
        if "alembic_version" in tables:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        raise DamagedDatabase(
            f"{path} is a database, but not one of mlx-gui.",
            hint="Move it away, or choose another folder by MLX_GUI_DATA_DIR.",
        )
    if row[0] not in REVISIONS:
        raise NewerDatabase(
            f"{path} was written by a newer mlx-gui: its schema is {row[0]}, "
            f"this version knows up to {REVISIONS[-1]}.",
            hint=f"{or_a_copy(path, 'Install the newer version again')}.",
        )
    return row[0]


def _back_up(path: Path, revision: str) -> None:
    folder = backups_of(path)
    folder.mkdir(mode=0o700, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    copy = folder / f"{now}-{revision}{path.suffix}"
    unfinished = folder / "unfinished"
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
    unfinished.replace(copy)
    for old in sorted(folder.glob(f"*{path.suffix}"))[:-KEPT_BACKUPS]:
        old.unlink()


def _upgrade(path: Path) -> None:
    # Alembic costs 0.15 s and 12 MB, and most starts have nothing to migrate.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    # Foreign keys are off while tables are rebuilt, or dropping the old table would cascade.
    migrations = engine(path, pool_size=1, pragmas=("foreign_keys=OFF",))
    try:
        with migrations.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise DamagedDatabase(
                    f"The database {path} could not be upgraded: {len(broken)} of its rows refer "
                    "to rows that are not there.",
                    hint=f"It is unchanged; older copies are in {backups_of(path)}.",
                )
    finally:
        migrations.dispose()
