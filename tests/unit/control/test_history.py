"""The last minutes by the second, and how they and the file become one series."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlx_gui.control.machine.history import SampleHistory
from mlx_gui.control.machine.processors import Processors
from mlx_gui.control.machine.recent import KEPT_S, RecentSamples, merged
from mlx_gui.core.chart_mark import ChartMark
from mlx_gui.store.samples import ModelParts, Sample, SampleStore

NOW_S = 1_700_000_000


def sample(at_s: int, *, output: int = 0, active: int = 0, span_s: int = 1) -> Sample:
    held = {"org/one": ModelParts(10, 4, 2, 0, output_tokens=output)} if output else {}
    return Sample(at_s, 32, 20, 4, 24, 8, active, 0, held, span_s)


def seen(*samples: Sample) -> RecentSamples:
    """The looks that saw these, one after the other."""
    eyes = iter(samples)
    recent = RecentSamples(lambda: next(eyes), on_look=lambda: None)
    for _ in samples:
        recent.look()
    return recent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SampleStore]:
    opened = SampleStore(tmp_path)
    yield opened
    opened.close()


def series(history: SampleHistory, from_s: int, to_s: int, step_s: int) -> dict[int, Sample]:
    return asyncio.run(history.series(from_s=from_s, to_s=to_s, step_s=step_s))


def test_a_look_stands_for_the_second_before_it() -> None:
    recent = seen(sample(NOW_S), sample(NOW_S + 1))

    assert [(each.at_s, each.span_s) for each in recent.since(0)] == [(NOW_S - 1, 1), (NOW_S, 1)]


def test_after_a_stall_a_look_stands_for_all_of_it_and_after_a_sleep_for_a_second() -> None:
    recent = seen(sample(NOW_S), sample(NOW_S + 5, output=50), sample(NOW_S + 7200))

    _, stalled, slept = recent.since(0)
    assert (stalled.at_s, stalled.span_s) == (NOW_S, 5)
    assert (slept.at_s, slept.span_s) == (NOW_S + 7199, 1)


def test_what_is_taken_is_the_mean_of_what_is_held_and_all_that_was_made() -> None:
    recent = seen(
        replace(sample(NOW_S, output=10, active=3), cpu_share=0.5),
        replace(sample(NOW_S + 1), available_bytes=10, cpu_share=None),
    )
    taken = recent.take()

    assert (taken.at_s, taken.span_s, taken.available_bytes) == (NOW_S - 1, 2, 15)
    assert (taken.active_requests, taken.cpu_share) == (3, 0.5)
    assert taken.models == {"org/one": ModelParts(5, 2, 1, 0, output_tokens=10)}
    assert merged([taken]) == taken


def test_whoever_takes_before_anybody_has_looked_looks() -> None:
    recent = RecentSamples(lambda: sample(NOW_S), on_look=lambda: None)

    assert recent.latest is None
    assert recent.take().at_s == NOW_S - 1


def test_only_a_quarter_of_an_hour_is_kept_in_memory() -> None:
    recent = seen(*(sample(NOW_S + second) for second in range(KEPT_S + 5)))

    assert len(recent.since(0)) == KEPT_S
    assert recent.since(NOW_S + KEPT_S)[0].at_s == NOW_S + KEPT_S


def test_what_is_new_is_told_only_where_something_moved() -> None:
    quiet = [sample(NOW_S), sample(NOW_S + 1)]

    assert seen(quiet[0]).moved
    assert not seen(*quiet).moved
    assert seen(*quiet, sample(NOW_S + 2, output=1)).moved


def test_the_file_has_what_was_before_the_memory_began(store: SampleStore) -> None:
    asyncio.run(store.add(sample(NOW_S - 20, output=100, span_s=10)))
    asyncio.run(store.add(sample(NOW_S - 10, output=999, span_s=10)))
    recent = seen(sample(NOW_S - 9, output=7), sample(NOW_S - 8, output=8))

    known = series(SampleHistory(store, recent, waiting=tuple), NOW_S - 15, NOW_S, 1)
    assert {at_s - NOW_S: each.models["org/one"].output_tokens for at_s, each in known.items()} == {
        **dict.fromkeys(range(-15, -10), 100),
        -10: 7,
        -9: 8,
    }


def test_a_day_old_sample_is_that_of_every_step_that_it_covers(store: SampleStore) -> None:
    begin_s = NOW_S - NOW_S % 300
    asyncio.run(store.add(sample(begin_s, output=300, span_s=300)))
    history = SampleHistory(store, seen(), waiting=tuple)

    assert sorted(series(history, begin_s + 120, begin_s + 360, 60)) == [
        begin_s + 120,
        begin_s + 180,
        begin_s + 240,
    ]


def test_marks_are_told_before_and_after_they_are_in_the_file(store: SampleStore) -> None:
    kept, waiting = ChartMark(NOW_S, "load", "org/one"), ChartMark(NOW_S + 1.0, "start")
    asyncio.run(store.add(sample(NOW_S), [kept]))
    history = SampleHistory(store, seen(), waiting=lambda: (kept, waiting))

    assert asyncio.run(history.marks(from_s=0, to_s=NOW_S + 10)) == (kept, waiting)
    assert asyncio.run(history.marks(from_s=0, to_s=NOW_S + 1)) == (kept,)


def test_the_processors_share_is_between_none_and_all() -> None:
    processors = Processors()
    sum(range(200_000))
    share = processors.share()

    assert share is None or 0 <= share <= 1
