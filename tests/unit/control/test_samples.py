"""The recorder keeps on, whatever becomes of its file."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mlx_gui.control.machine.recorder import MOST_WAITING, SampleRecorder
from mlx_gui.store.samples import SAMPLES_FILE, ModelParts, Sample, SampleStore

DAY_S = 86_400
NOW_S = 1_700_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SampleStore]:
    opened = SampleStore(tmp_path)
    yield opened
    opened.close()


def sample(at_s: int) -> Sample:
    return Sample(at_s, 32, 20, 4, 24, 8, 2, 1, {})


def kept(store: SampleStore) -> list[int]:
    found = asyncio.run(store.series(from_s=0, to_s=2 * NOW_S, step_s=10))
    return [each.at_s for each in found]


def test_old_samples_go_at_the_start(store: SampleStore) -> None:
    for at_s in (NOW_S - 8 * DAY_S, NOW_S - 6 * DAY_S):
        asyncio.run(store.add(sample(at_s)))
    recorder = SampleRecorder(store, take=lambda: sample(NOW_S), retention_days=lambda: 7)

    asyncio.run(recorder.record())

    assert kept(store) == [NOW_S - 6 * DAY_S, NOW_S]


def test_a_file_that_cannot_be_written_is_told_once_and_tried_on(
    store: SampleStore, tmp_path: Path
) -> None:
    in_the_way = tmp_path / SAMPLES_FILE
    in_the_way.mkdir()
    moments = iter(range(NOW_S, NOW_S + 100, 10))
    recorder = SampleRecorder(store, take=lambda: sample(next(moments)), retention_days=lambda: 7)

    with capture_logs() as logs:
        for _ in range(3):
            asyncio.run(recorder.record())
        in_the_way.rmdir()
        asyncio.run(recorder.record())

    assert [line["event"] for line in logs] == ["samples_not_kept", "samples_kept_again"]
    assert kept(store) == [NOW_S + 30]


def test_a_full_disk_is_told_once_and_later_samples_are_kept(store: SampleStore) -> None:
    def bound_pages(count: int) -> None:
        pragma = f"PRAGMA max_page_count = {count}"
        asyncio.run(store._database.write(lambda connection: connection.exec_driver_sql(pragma)))

    large = {"x" * 100_000: ModelParts(1, 1, 1, 1)}
    moments = iter(range(NOW_S, NOW_S + 100, 10))
    recorder = SampleRecorder(
        store, take=lambda: replace(sample(next(moments)), models=large), retention_days=lambda: 7
    )

    bound_pages(1)
    with capture_logs() as logs:
        for _ in range(3):
            asyncio.run(recorder.record())
        bound_pages(1_000_000)
        asyncio.run(recorder.record())

    assert [line["event"] for line in logs] == ["samples_not_kept", "samples_kept_again"]
    assert "is full" in logs[0]["reason"]
    assert kept(store) == [NOW_S + 30]


def test_nothing_is_recorded_where_nothing_is_to_be_kept(
    store: SampleStore, tmp_path: Path
) -> None:
    def never() -> Sample:
        raise AssertionError("nothing is to be kept")

    asyncio.run(SampleRecorder(store, take=never, retention_days=lambda: 0).record())

    assert not (tmp_path / SAMPLES_FILE).exists()


def test_how_long_samples_last_can_be_set_anew_while_they_are_recorded(store: SampleStore) -> None:
    for at_s in (NOW_S - 3 * DAY_S, NOW_S - DAY_S // 2):
        asyncio.run(store.add(sample(at_s)))
    days, moments = [7], iter(range(NOW_S, NOW_S + 100, 10))
    recorder = SampleRecorder(
        store, take=lambda: sample(next(moments)), retention_days=lambda: days[0]
    )
    asyncio.run(recorder.record())
    assert kept(store) == [NOW_S - 3 * DAY_S, NOW_S - DAY_S // 2, NOW_S]

    days[0] = 1
    asyncio.run(recorder.record())
    assert kept(store) == [NOW_S - DAY_S // 2, NOW_S, NOW_S + 10]

    days[0] = 0
    asyncio.run(recorder.record())
    asyncio.run(recorder.record())
    assert kept(store) == []

    days[0] = 1
    asyncio.run(recorder.record())
    assert kept(store) == [NOW_S + 30]


def test_what_happened_is_written_with_the_next_sample_and_once(store: SampleStore) -> None:
    moments = iter(range(NOW_S, NOW_S + 100, 10))
    recorder = SampleRecorder(store, take=lambda: sample(next(moments)), retention_days=lambda: 7)
    recorder.mark("evict", "org/one", cause="org/two", text="no room")
    (waiting,) = recorder.waiting
    for _ in range(2):
        asyncio.run(recorder.record())

    assert recorder.waiting == ()
    assert asyncio.run(store.marks(from_s=0, to_s=waiting.at + 1)) == (waiting,)
    assert (waiting.kind, waiting.model, waiting.cause) == ("evict", "org/one", "org/two")


def test_samples_of_more_than_a_day_are_thinned_out(store: SampleStore) -> None:
    begin_s = NOW_S - NOW_S % 300 - 3 * DAY_S
    for second in range(0, 600, 60):
        asyncio.run(store.add(sample(begin_s + second)))
    recorder = SampleRecorder(store, take=lambda: sample(NOW_S), retention_days=lambda: 7)
    asyncio.run(recorder.record())

    assert kept(store) == [begin_s, begin_s + 300, NOW_S]


def test_what_happens_while_it_writes_waits_also_where_there_is_too_much(
    store: SampleStore,
) -> None:
    def take() -> Sample:
        for number in range(MOST_WAITING + 100):
            recorder.mark("load", f"org/{number}")
        return sample(NOW_S)

    recorder = SampleRecorder(store, take=take, retention_days=lambda: 7)
    recorder.mark("start")

    asyncio.run(recorder.record())

    assert [each.model for each in recorder.waiting] == [
        f"org/{number}" for number in range(100, MOST_WAITING + 100)
    ]
