"""A database comes to the newest schema with all that is in it, or stays as it was."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from mlx_gui.store import migrate as migrate_module
from mlx_gui.store.connections import engine
from mlx_gui.store.database import DATABASE_FILE, Store
from mlx_gui.store.errors import DamagedDatabase, NewerDatabase
from mlx_gui.store.migrate import KEPT_BACKUPS, migrate
from mlx_gui.store.schema import METADATA, REVISIONS
from tests.support.soak import in_soak
from tests.unit.store.databases import DUMPS, restore, rows, schema

SCRIPT = Path(__file__).with_name("kill_during_migration.py")
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / DATABASE_FILE


@pytest.fixture
def newest(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "newest"
    Store.open(folder).close()
    return schema(folder / DATABASE_FILE)


def test_the_list_of_revisions_is_that_of_the_files() -> None:
    config = Config()
    config.set_main_option(
        "script_location", str(Path(migrate_module.__file__).parent / "migrations")
    )
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(script.revision for script in scripts) == REVISIONS[::-1]


def test_the_migrations_end_in_the_tables_of_the_code(path: Path) -> None:
    migrate(path)
    database = engine(path, pool_size=1, pragmas=())
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    database.dispose()


def test_every_revision_has_a_dump() -> None:
    assert sorted(dump.stem for dump in DUMPS.glob("*.sql")) == list(REVISIONS)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_released_database_is_upgraded_with_its_data(
    revision: str, path: Path, newest: dict[str, str]
) -> None:
    restore(revision, path)
    tables = {name for name in schema(path) if name in METADATA.tables}
    before = {table: rows(path, table) for table in tables}
    assert all(before.values())

    Store.open(path.parent).close()

    assert schema(path) == newest
    for table, old_rows in before.items():
        assert_kept(old_rows, rows(path, table))


def assert_kept(old: list[tuple[object, ...]], new: list[tuple[object, ...]]) -> None:
    """New columns come last."""
    assert [row[: len(old[0])] for row in new] == old


@pytest.mark.parametrize("revision", ["none", REVISIONS[-2], *in_soak(*REVISIONS[:-2])])
def test_a_kill_during_the_migration_leaves_the_old_schema_or_the_new(
    revision: str, tmp_path: Path, newest: dict[str, str]
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    subprocess.run(
        [sys.executable, str(SCRIPT), revision, str(copies)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        timeout=300,
    )
    original = tmp_path / "original.db"
    if revision != "none":
        restore(revision, original)
    old = schema(original)
    found = {int(copy.name): schema(copy / DATABASE_FILE) for copy in copies.iterdir()}

    points = sorted(found)
    assert len(points) > 5
    assert [found[point] for point in points[:-1]] == [old] * (len(points) - 1)
    assert found[points[-1]] == newest
    for point in points:
        path = copies / str(point) / DATABASE_FILE
        Store.open(path.parent).close()
        assert schema(path) == newest
        for table in old.keys() & METADATA.tables.keys():
            assert_kept(rows(original, table), rows(path, table))


def test_a_copy_is_kept_before_each_upgrade(path: Path) -> None:
    restore(REVISIONS[0], path)
    migrate(path)
    (copy,) = (path.parent / "backups").iterdir()
    assert REVISIONS[0] in copy.name
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert rows(copy, "models") == rows(path, "models")
    assert "measurements" not in schema(copy)


def test_only_the_newest_copies_are_kept(path: Path) -> None:
    for number in range(KEPT_BACKUPS + 2):
        path.unlink(missing_ok=True)
        restore(REVISIONS[0], path)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE settings SET value = ?", (str(number),))
        migrate(path)
    copies = sorted((path.parent / "backups").iterdir())
    assert [rows(copy, "settings")[0][1] for copy in copies] == ["2", "3", "4"]


def test_a_new_database_gets_no_copy_and_a_current_one_is_not_touched(path: Path) -> None:
    migrate(path)
    before = path.read_bytes()
    migrate(path)
    assert path.read_bytes() == before
    assert not (path.parent / "backups").exists()


def test_a_newer_database_stops_the_start_and_is_not_changed(path: Path) -> None:
    restore(REVISIONS[-1], path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = schema(path)
    with pytest.raises(NewerDatabase, match=rf"9999.*{REVISIONS[-1]}") as caught:
        Store.open(path.parent)
    assert str(path) in caught.value.message
    assert caught.value.hint == "Install the newer version again."
    assert schema(path) == before


def test_the_copies_are_named_to_whoever_has_some(path: Path) -> None:
    restore(REVISIONS[0], path)
    migrate(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerDatabase) as caught:
        migrate(path)
    folder = path.parent / "backups"
    copies = f"or put a copy from {folder} in its place."
    assert caught.value.hint == f"Install the newer version again, {copies}"


def test_a_database_of_another_program_is_not_changed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    with pytest.raises(DamagedDatabase, match="not one of mlx-gui"):
        Store.open(path.parent)
    assert set(schema(path)) == {"theirs"}


def test_rows_that_refer_to_nothing_stop_the_upgrade_and_undo_it(path: Path) -> None:
    restore(REVISIONS[0], path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE notes (model_id INTEGER REFERENCES models (id))")
        connection.execute("INSERT INTO notes VALUES (99)")
    before = schema(path)
    with pytest.raises(DamagedDatabase, match="1 of its rows"):
        migrate(path)
    assert schema(path) == before
