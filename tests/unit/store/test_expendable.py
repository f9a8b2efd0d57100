"""What becomes of a damaged file: one that may be lost begins anew, any other is left alone."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select
from structlog.testing import capture_logs

from mlx_gui.core.errors import DiskFull
from mlx_gui.store.database import Database
from mlx_gui.store.errors import DamagedDatabase
from mlx_gui.store.expendable import expendable
from tests.support.disks import small_disk

METADATA = MetaData()
NUMBERS = Table("numbers", METADATA, Column("number", Integer, primary_key=True))
RUBBISH = b"This is no database. " * 400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = expendable(path, METADATA, format=1)
    yield opened
    opened.close()


def keep(number: int) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(insert(NUMBERS).values(number=number))


def numbers(connection: Connection) -> list[int]:
    return list(connection.execute(select(NUMBERS.c.number)).scalars())


def test_nothing_is_opened_before_its_first_use(database: Database, path: Path) -> None:
    assert not path.exists()
    asyncio.run(database.read(numbers))
    assert path.exists()


def test_a_file_that_may_be_lost_is_set_aside_and_told_once(database: Database, path: Path) -> None:
    path.write_bytes(RUBBISH)

    with capture_logs() as logs:
        for number in range(3):
            asyncio.run(database.write(keep(number)))

    assert asyncio.run(database.read(numbers)) == [0, 1, 2]
    assert path.with_name("numbers.db.damaged").read_bytes() == RUBBISH
    assert [(line["event"], line["path"]) for line in logs] == [("database_begun_anew", str(path))]
    assert "file is not a database" in logs[0]["reason"]


def test_what_many_ask_of_a_damaged_file_at_once_begins_it_anew_once(
    database: Database, path: Path
) -> None:
    path.write_bytes(RUBBISH)

    async def ask() -> None:
        writes = (database.write(keep(number)) for number in range(20))
        await asyncio.gather(*writes, *(database.read(numbers) for _ in range(20)))

    with capture_logs() as logs:
        asyncio.run(ask())

    assert len(logs) == 1
    assert asyncio.run(database.read(numbers)) == list(range(20))


def test_a_file_of_another_format_is_begun_anew(path: Path) -> None:
    older = expendable(path, METADATA, format=1)
    asyncio.run(older.write(keep(1)))
    older.close()
    newer = expendable(path, METADATA, format=2)

    with capture_logs() as logs:
        assert asyncio.run(newer.read(numbers)) == []

    newer.close()
    assert [line["reason"] for line in logs] == [
        f"{path} is of another version: its format is 1, not 2."
    ]


def test_a_file_that_must_not_be_lost_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(RUBBISH)
    database = Database(path, prepare=lambda _: None)

    for _ in range(2):
        with pytest.raises(DamagedDatabase, match="file is not a database"):
            asyncio.run(database.read(numbers))

    database.close()
    assert path.read_bytes() == RUBBISH
    assert not path.with_name("numbers.db.damaged").exists()


def test_nothing_is_read_while_a_full_disk_has_no_room_to_begin(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        (tmp_path / "filling").write_bytes(bytes(2**20))
        database = expendable(tmp_path / "numbers.db", METADATA, format=1)

        assert asyncio.run(database.read(numbers)) == []
        with pytest.raises(DiskFull, match=r"numbers\.db is full"):
            asyncio.run(database.write(keep(1)))

        (tmp_path / "filling").unlink()
        asyncio.run(database.write(keep(2)))
        assert asyncio.run(database.read(numbers)) == [2]
        database.close()
