"""Records are written in batches, and a disk that takes none harms nobody."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mlx_gui.control.requests import records
from mlx_gui.control.requests.records import RequestRecords
from mlx_gui.store.requests import REQUESTS_FILE, Bounds, RequestStore, Wanted
from tests.unit.store.test_requests import ONE

DEADLINE_S = 20
PLENTY = Bounds(rows=100_000, days=36_500)


class Kept:
    """Records of a store of its own, and how often something new was told."""

    def __init__(self, folder: Path, bounds: Bounds = PLENTY) -> None:
        self.store = RequestStore(folder)
        self.bounds = bounds
        self.told = 0
        self.records = RequestRecords(self.store, bounds=lambda: self.bounds, on_kept=self._tell)

    def _tell(self) -> None:
        self.told += 1

    def keep(self, count: int) -> None:
        for number in range(count):
            self.records.keep(replace(ONE, id=f"chatcmpl-{number}"))

    async def ids(self) -> list[str]:
        page = await self.records.find(Wanted(), limit=100_000)
        return [record.id for record in page.records]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    asyncio.run(made.records.close())


def test_what_has_ended_is_read_at_once(kept: Kept) -> None:
    kept.keep(3)

    assert asyncio.run(kept.ids()) == ["chatcmpl-0", "chatcmpl-1", "chatcmpl-2"]
    assert kept.records.last == 3


def test_thousands_at_once_are_all_kept_in_their_order(kept: Kept) -> None:
    kept.keep(5_000)

    assert asyncio.run(kept.ids()) == [f"chatcmpl-{number}" for number in range(5_000)]


def test_many_who_read_at_once_find_each_record_once(kept: Kept) -> None:
    async def read() -> list[list[str]]:
        kept.keep(2_500)
        return await asyncio.gather(*(kept.ids() for _ in range(10)))

    for ids in asyncio.run(read()):
        assert sorted(ids) == sorted(f"chatcmpl-{number}" for number in range(2_500))


def test_a_running_writer_writes_by_itself(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "INTERVAL_S", 0.01)

    async def run() -> int:
        told = asyncio.Event()
        kept.records._on_kept = told.set
        writing = asyncio.create_task(kept.records.run())
        kept.keep(7)
        await asyncio.wait_for(told.wait(), DEADLINE_S)
        writing.cancel()
        return await kept.store.last()

    assert asyncio.run(run()) == 7


def test_what_is_left_is_written_at_the_end(tmp_path: Path) -> None:
    first = Kept(tmp_path)
    first.keep(3)
    asyncio.run(first.records.close())

    second = Kept(tmp_path)
    assert len(asyncio.run(second.ids())) == 3
    asyncio.run(second.records.close())


def test_a_disk_that_takes_nothing_is_told_once_and_nothing_is_lost(
    kept: Kept, tmp_path: Path
) -> None:
    in_the_way = tmp_path / REQUESTS_FILE
    in_the_way.mkdir()

    async def fail() -> None:
        for _ in range(3):
            kept.records.keep(ONE)
            await kept.records.flush()

    with capture_logs() as logs:
        asyncio.run(fail())
        in_the_way.rmdir()
        assert len(asyncio.run(kept.ids())) == 3

    assert [line["event"] for line in logs] == ["requests_not_kept", "requests_kept_again"]


def test_what_waits_for_a_disk_is_bounded_and_the_newest_stay(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_WAITING", 100)
    small = Kept(tmp_path)
    in_the_way = tmp_path / REQUESTS_FILE
    in_the_way.mkdir()

    async def fail() -> None:
        for number in range(25):
            for part in range(10):
                small.records.keep(replace(ONE, id=f"{number}-{part}"))
            await small.records.flush()

    with capture_logs():
        asyncio.run(fail())
        in_the_way.rmdir()
        ids = asyncio.run(small.ids())
    asyncio.run(small.records.close())

    assert ids == [f"{number}-{part}" for number in range(15, 25) for part in range(10)]


@pytest.mark.parametrize("bounds", [Bounds(0, 30), Bounds(100, 0)])
def test_nothing_is_kept_where_nothing_is_to_be_kept(kept: Kept, bounds: Bounds) -> None:
    kept.keep(3)
    assert len(asyncio.run(kept.ids())) == 3
    kept.bounds = bounds
    kept.keep(3)

    assert asyncio.run(kept.ids()) == []
    assert kept.told == 1
