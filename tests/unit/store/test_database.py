"""Reading, writing, and what a broken disk or file says."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from mlx_gui.core.errors import DiskFull
from mlx_gui.store.database import DATABASE_FILE, Store
from mlx_gui.store.errors import DamagedDatabase, StoreError
from mlx_gui.store.server_settings import override, overrides

DEADLINE_S = 60


@pytest.fixture
def store(tmp_path: Path):
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


def set_slots(connection: Connection, value: object) -> None:
    override(connection, "slots", value=value, now="2026-01-01T00:00:00+00:00")


def test_a_fresh_data_directory_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    store = Store.open(folder)
    asyncio.run(store.write(lambda connection: set_slots(connection, 1)))
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    store.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(files) >= {DATABASE_FILE, DATABASE_FILE + "-wal"}
    assert set(files.values()) == {0o600}


def test_what_was_written_is_read_also_after_reopening(tmp_path: Path) -> None:
    first = Store.open(tmp_path)
    asyncio.run(first.write(lambda connection: set_slots(connection, 4)))
    assert asyncio.run(first.read(overrides)) == {"slots": 4}
    first.close()
    second = Store.open(tmp_path)
    assert asyncio.run(second.read(overrides)) == {"slots": 4}
    second.close()


def test_a_write_that_raises_leaves_nothing(store: Store) -> None:
    def fail(connection: Connection) -> None:
        set_slots(connection, 1)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        asyncio.run(store.write(fail))
    assert asyncio.run(store.read(overrides)) == {}


def test_reading_work_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError, match="readonly"):
        asyncio.run(store.read(lambda connection: set_slots(connection, 1)))


def test_foreign_keys_hold(store: Store) -> None:
    def write(statement: str) -> None:
        asyncio.run(store.write(lambda connection: connection.exec_driver_sql(statement)))

    write("CREATE TABLE notes (model_id INTEGER REFERENCES models (id))")
    with pytest.raises(IntegrityError):
        write("INSERT INTO notes VALUES (99)")


def test_writes_follow_one_another_on_one_thread(store: Store) -> None:
    threads: set[int] = set()

    def increment(connection: Connection) -> None:
        threads.add(threading.get_ident())
        set_slots(connection, overrides(connection).get("slots", 0) + 1)

    async def write_many() -> None:
        await asyncio.gather(*(store.write(increment) for _ in range(50)))

    asyncio.run(write_many())
    assert asyncio.run(store.read(overrides)) == {"slots": 50}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_reader_sees_the_last_commit_while_a_write_is_going_on(store: Store) -> None:
    started, finish = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        set_slots(connection, 1)
        started.set()
        assert finish.wait(DEADLINE_S)

    async def both() -> dict[str, object]:
        writing = asyncio.create_task(store.write(slow))
        await asyncio.to_thread(started.wait, DEADLINE_S)
        seen = await store.read(overrides)
        finish.set()
        await writing
        return seen

    assert asyncio.run(both()) == {}
    assert asyncio.run(store.read(overrides)) == {"slots": 1}


def test_a_write_is_finished_although_its_caller_was_cancelled(store: Store) -> None:
    started, finish = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        started.set()
        assert finish.wait(DEADLINE_S)
        set_slots(connection, 1)

    async def cancel() -> dict[str, object]:
        writing = asyncio.create_task(store.write(slow))
        await asyncio.to_thread(started.wait, DEADLINE_S)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        finish.set()
        await store.write(lambda _: None)
        return await store.read(overrides)

    assert asyncio.run(cancel()) == {"slots": 1}


def test_a_killed_process_loses_no_acknowledged_write(tmp_path: Path) -> None:
    code = f"""
import asyncio
from pathlib import Path
from mlx_gui.store.database import Store
from mlx_gui.store.server_settings import override

async def main():
    store = Store.open(Path({str(tmp_path)!r}))
    for number in range(1_000_000):
        await store.write(lambda c: override(c, "slots", value=number, now="now"))
        print(number, flush=True)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = -1
        while acknowledged < 200:
            acknowledged = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        for line in child.stdout.read().split():
            acknowledged = max(acknowledged, int(line))
    store = Store.open(tmp_path)
    found = asyncio.run(store.read(overrides))["slots"]
    store.close()
    assert found in (acknowledged, acknowledged + 1)


def test_a_full_disk_is_named_and_later_writes_work_again(store: Store) -> None:
    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        set_slots(connection, "x" * 1_000_000)

    with pytest.raises(DiskFull, match=r"mlx-gui\.db is full"):
        asyncio.run(store.write(fill))
    asyncio.run(
        store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 100000"))
    )
    asyncio.run(store.write(lambda connection: set_slots(connection, 2)))
    assert asyncio.run(store.read(overrides)) == {"slots": 2}


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"no database at all" * 500)
    with pytest.raises(DamagedDatabase, match="file is not a database") as caught:
        Store.open(tmp_path)
    assert caught.value.hint.startswith("Move it away: models stay, ")


def test_a_truncated_database_is_named(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    asyncio.run(store.write(lambda connection: set_slots(connection, "x" * 100_000)))
    store.close()
    os.truncate(tmp_path / DATABASE_FILE, 5000)
    with pytest.raises(DamagedDatabase, match="malformed"):
        Store.open(tmp_path)


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Not a directory") as caught:
        Store.open(tmp_path / "file" / "data")
    assert "MLX_GUI_DATA_DIR" in caught.value.hint


def test_a_database_that_another_program_keeps_locked_is_named(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    other = sqlite3.connect(tmp_path / DATABASE_FILE)
    other.execute("PRAGMA journal_mode=DELETE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StoreError, match="locked"):
            Store.open(tmp_path)
    finally:
        other.close()


def test_opening_a_current_database_imports_neither_alembic_nor_the_orm(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    code = f"""
import sys
from pathlib import Path
from mlx_gui.store.database import Store
Store.open(Path({str(tmp_path)!r})).close()
print(*sys.modules)
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"alembic", "sqlalchemy.orm", "mako"}.isdisjoint(loaded)
