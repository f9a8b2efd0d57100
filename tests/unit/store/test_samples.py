"""Samples come back in steps, and a file that is broken begins anew."""

import asyncio
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mlx_gui.core.chart_mark import ChartMark
from mlx_gui.store.errors import StoreError
from mlx_gui.store.samples import (
    MOST_CHART_MARKS,
    SAMPLES_FILE,
    ModelParts,
    Sample,
    SampleStore,
)

ONE = Sample(1000, 100, 60, 10, 80, 30, 1, 0, {"org/one": ModelParts(20, 6, 3, 1)})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SampleStore]:
    opened = SampleStore(tmp_path)
    yield opened
    opened.close()


def add(store: SampleStore, *samples: Sample) -> None:
    for each in samples:
        asyncio.run(store.add(each))


def series(store: SampleStore, from_s: int, to_s: int, step_s: int = 10) -> tuple[Sample, ...]:
    return asyncio.run(store.series(from_s=from_s, to_s=to_s, step_s=step_s))


def test_a_sample_comes_back_as_it_was(store: SampleStore) -> None:
    add(store, ONE)

    assert series(store, 1000, 1010) == (ONE,)


def test_the_file_is_its_owners_alone(store: SampleStore, tmp_path: Path) -> None:
    add(store, ONE)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}


def test_what_was_added_is_there_after_reopening(tmp_path: Path) -> None:
    for at_s in (1000, 1010):
        store = SampleStore(tmp_path)
        add(store, replace(ONE, at_s=at_s))
        store.close()
    store = SampleStore(tmp_path)
    assert [each.at_s for each in series(store, 0, 2000)] == [1000, 1010]
    store.close()


def test_a_step_has_the_mean_of_bytes_and_the_most_requests(store: SampleStore) -> None:
    other = ModelParts(40, 0, 0, 0)
    add(
        store,
        ONE,
        replace(ONE, at_s=1010, available_bytes=40, active_requests=5, queued_requests=2),
        replace(ONE, at_s=1020, available_bytes=20, models={"org/two": other}),
        replace(ONE, at_s=1060),
    )

    first, second = series(store, 960, 1080, step_s=60)

    assert (first.at_s, first.available_bytes) == (960, 50)
    assert (first.active_requests, first.queued_requests) == (5, 2)
    assert first.models == {"org/one": ModelParts(20, 6, 3, 1)}
    assert (second.at_s, second.available_bytes) == (1020, 40)
    # Each was there for one of the two moments.
    assert second.models == {
        "org/one": ModelParts(10, 3, 1, 0),
        "org/two": ModelParts(20, 0, 0, 0),
    }


def test_a_range_has_its_begin_and_not_its_end(store: SampleStore) -> None:
    add(store, *(replace(ONE, at_s=at_s) for at_s in (990, 1000, 1010, 1020)))

    assert [each.at_s for each in series(store, 1000, 1020)] == [1000, 1010]
    assert series(store, 5000, 6000) == ()


def test_a_clock_that_was_set_back_writes_the_same_second_again(store: SampleStore) -> None:
    add(store, ONE, replace(ONE, available_bytes=7, models={}))

    assert series(store, 1000, 1010) == (replace(ONE, available_bytes=7, models={}),)


def test_what_is_forgotten_is_gone_with_its_models(store: SampleStore, tmp_path: Path) -> None:
    add(store, ONE, replace(ONE, at_s=1010))
    asyncio.run(store.forget(before_s=1010))

    assert [each.at_s for each in series(store, 0, 2000)] == [1010]
    with closing(sqlite3.connect(tmp_path / SAMPLES_FILE)) as connection:
        assert connection.execute("SELECT count(*) FROM model_samples").fetchone() == (1,)


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / SAMPLES_FILE
    path.write_bytes(b"This is no database. " * 400)
    store = SampleStore(tmp_path)
    add(store, ONE)

    assert series(store, 1000, 1010) == (ONE,)
    assert (tmp_path / f"{SAMPLES_FILE}.damaged").read_bytes().startswith(b"This is no database")
    store.close()


def test_damage_that_shows_only_while_reading_is_mended_too(tmp_path: Path) -> None:
    store = SampleStore(tmp_path)
    add(store, *(replace(ONE, at_s=at_s) for at_s in range(0, 2000, 10)))
    store.close()
    path = tmp_path / SAMPLES_FILE
    content = bytearray(path.read_bytes())
    # All but the first page, which holds the names of the tables.
    assert len(content) > 3 * 4096
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    reopened = SampleStore(tmp_path)
    assert series(reopened, 0, 2000) == ()
    add(reopened, ONE)
    assert series(reopened, 1000, 1010) == (ONE,)
    reopened.close()


def test_a_file_of_another_version_is_set_aside(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / SAMPLES_FILE)) as connection:
        connection.execute("CREATE TABLE samples (at INTEGER)")
        connection.execute("PRAGMA user_version=99")
    store = SampleStore(tmp_path)
    add(store, ONE)

    assert series(store, 1000, 1010) == (ONE,)
    assert (tmp_path / f"{SAMPLES_FILE}.damaged").exists()
    store.close()


def test_a_folder_in_its_place_is_an_error_and_no_harm(tmp_path: Path) -> None:
    (tmp_path / SAMPLES_FILE).mkdir()
    store = SampleStore(tmp_path)
    with pytest.raises(StoreError, match="cannot be read and written"):
        add(store, ONE)
    store.close()


def test_a_week_is_read_in_steps_of_the_pages_width(store: SampleStore) -> None:
    async def fill() -> None:
        for at_s in range(0, 7 * 86_400, 600):
            await store.add(replace(ONE, at_s=at_s))

    asyncio.run(fill())
    found = series(store, 0, 7 * 86_400, step_s=3600)

    assert [each.at_s for each in found] == list(range(0, 7 * 86_400, 3600))


def test_a_step_weighs_its_samples_by_their_time_and_sums_what_was_made(store: SampleStore) -> None:
    one = ModelParts(20, 0, 0, 0, prompt_tokens=5, output_tokens=40)
    add(
        store,
        replace(ONE, at_s=960, span_s=30, available_bytes=60, models={"org/one": one}),
        replace(ONE, at_s=990, span_s=10, available_bytes=20, models={"org/one": one}),
        replace(ONE, at_s=1000, span_s=10, cpu_share=0.5, available_bytes=20, models={}),
    )

    (found,) = series(store, 960, 1020, step_s=60)
    assert (found.span_s, found.available_bytes, found.cpu_share) == (50, 44, 0.5)
    assert found.models == {"org/one": ModelParts(16, 0, 0, 0, prompt_tokens=10, output_tokens=80)}


def test_thinned_samples_say_the_same_of_five_minutes_as_before(
    store: SampleStore, tmp_path: Path
) -> None:
    for at_s in range(0, 1200, 60):
        add(store, replace(ONE, at_s=at_s, available_bytes=at_s, active_requests=at_s % 7))
    before = series(store, 0, 1200, step_s=300)
    asyncio.run(store.thin(from_s=0, before_s=650))
    asyncio.run(store.thin(from_s=0, before_s=650))

    assert series(store, 0, 1200, step_s=300) == before
    with closing(sqlite3.connect(tmp_path / SAMPLES_FILE)) as connection:
        for table in ("samples", "model_samples"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (2 + 10,)


def test_marks_come_back_in_their_order_the_newest_of_them(store: SampleStore) -> None:
    marks = [ChartMark(1000 + n, "load", f"org/{n}", None, "why") for n in range(510)]
    asyncio.run(store.add(ONE, marks))
    found = asyncio.run(store.marks(from_s=0, to_s=1505))

    assert len(found) == MOST_CHART_MARKS
    assert found[-1] == marks[504]
    assert asyncio.run(store.marks(from_s=1000, to_s=1002)) == tuple(marks[:2])
    asyncio.run(store.forget(before_s=1500))
    assert len(asyncio.run(store.marks(from_s=0, to_s=9999))) == 10
