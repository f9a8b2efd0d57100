"""The pure parts of the benchmarks: pairs, tables, the page."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from bench.child import ROOT
from bench.crowd import Crowd, crowd
from bench.pairs import Spread, differences, interleave, ratios, spread
from bench.policy import house
from bench.report import Bound, Row, amount, figure_row, merged, ratio_row, table
from bench.timing import Ask, Timing, require_same_work
from bench.transcription import rounds_of

IMPORT_ALL = """
from importlib import import_module
from bench.__main__ import NAMES
for name in NAMES:
    import_module(f"bench.{name}")
"""
HEAD = "# Performance\n\n| Machine | one |"


def test_every_benchmark_can_be_begun() -> None:
    subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, check=True, timeout=300)


def test_the_policy_that_is_measured_has_a_step_for_every_model_that_is_wanted() -> None:
    assert house(models=10, queued=100)() == 4


def test_the_longer_a_sound_the_fewer_rounds_there_are_of_it() -> None:
    assert [rounds_of(each, 7) for each in (10, 44, 100, 600)] == [7, 7, 6, 1]
    assert [rounds_of(each, 2) for each in (10, 44, 600)] == [2, 2, 1]


def test_sides_take_turns_and_keep_the_order_of_their_rounds() -> None:
    turns: list[str] = []

    def side(name: str):
        def measure() -> dict[str, float]:
            turns.append(name)
            return {"turn": len(turns)}

        return measure

    found = interleave({"ours": side("ours"), "theirs": side("theirs")}, rounds=3, rest_s=0)
    assert turns == ["ours", "theirs"] * 3
    assert found == {"ours": {"turn": [1, 3, 5]}, "theirs": {"turn": [2, 4, 6]}}


def test_a_ratio_is_taken_in_each_pair_not_of_the_medians() -> None:
    ours, theirs = [1.0, 10.0, 100.0], [2.0, 10.0, 50.0]
    assert ratios(ours, theirs) == [0.5, 1.0, 2.0]
    assert differences(ours, theirs) == [-1.0, 0.0, 50.0]
    row = ratio_row("speed", ours, [2.0, 5.0, 400.0], "tok/s", Bound("≥", 1))
    assert row.result == Spread(0.5, 0.25, 2.0)


def test_pairs_that_miss_a_side_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_a_spread_is_the_median_and_the_two_farthest() -> None:
    assert spread([3.0, 1.0, 9.0, 2.0]) == Spread(2.5, 1.0, 9.0)


@pytest.mark.parametrize(
    ("relation", "value", "met"),
    [("≤", 5.0, True), ("≤", 5.1, False), ("≥", 5.0, True), ("≥", 4.9, False)],
)
def test_a_bound_includes_its_limit(relation, value: float, met: bool) -> None:
    assert Bound(relation, 5).met(value) is met


def test_a_bound_judges_the_median() -> None:
    assert figure_row("start", [0.5, 0.6, 2.0], "s", Bound("≤", 0.7)).met
    assert not figure_row("start", [0.5, 0.8, 0.9], "s", Bound("≤", 0.7)).met


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.9571, "times", "0.957 times"),
        (21.94, "tok/s", "21.9 tok/s"),
        (1234.5, "MB", "1234 MB"),
        (0, "", "0"),
    ],
)
def test_amounts_have_the_digits_that_count(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


def test_a_table_has_a_line_for_each_row_and_says_what_was_missed() -> None:
    rows = [
        ratio_row("decode", [20.0, 20.0], [10.0, 8.0], "tok/s", Bound("≥", 3)),
        Row("memory", Spread(78, 77, 79), "MB", Bound("≤", 100)),
    ]
    head, rule, first, second = table(rows).split("\n")
    assert head.count("|") == rule.count("|") == first.count("|") == second.count("|")
    assert (
        first == "| decode | 20 tok/s | 9 tok/s | 2.25 times (2 to 2.5) | ≥ 3 times | **missed** |"
    )
    assert second == "| memory |  |  | 78 MB (77 to 79) | ≤ 100 MB | met |"


def test_a_row_without_a_bound_judges_nothing() -> None:
    row = figure_row("pause", [1.0, 3.0, 2.0], "s", None)
    assert row.met
    assert table([row]).splitlines()[-1] == "| pause |  |  | 2 s (1 to 3) |  |  |"


def test_a_new_section_leaves_the_others_of_the_same_machine() -> None:
    page = merged("", HEAD, {"b": "old b", "a": "old a\n\n### part"})
    assert merged(page, HEAD, {"b": "new b"}) == (
        f"{HEAD}\n\n## a\n\nold a\n\n### part\n\n## b\n\nnew b\n"
    )


def test_sections_of_another_machine_are_dropped() -> None:
    page = merged("", HEAD, {"a": "old a", "b": "old b"})
    other = HEAD.replace("one", "two")
    assert merged(page, other, {"b": "new b"}) == f"{other}\n\n## b\n\nnew b\n"


def test_rates_count_what_came_after_the_first_token() -> None:
    timing = Timing(prompt_tokens=100, tokens=11, first_s=2.0, last_s=4.0)
    assert timing.rates() == {"prefill": 50.0, "decode": 5.0, "whole": 2.75}


def test_sides_that_did_different_work_are_not_compared() -> None:
    ask = Ask("Tell me more.", max_tokens=8)
    done = Timing(10, 8, 1.0, 2.0)
    require_same_work(ask, done, done)
    with pytest.raises(ValueError, match="same work"):
        require_same_work(ask, done, Timing(11, 8, 1.0, 2.0))
    with pytest.raises(ValueError, match="same work"):
        require_same_work(ask, done, Timing(10, 7, 1.0, 2.0))


def test_a_crowd_counts_what_was_finished_and_survives_what_was_not() -> None:
    def answered() -> Timing:
        return Timing(10, 8, 1.0, 2.0)

    def broken() -> Timing:
        raise RuntimeError("A stream broke off.")

    asks: list[Callable[[], Timing]] = [answered, broken, answered, answered]
    done = crowd(asks, at_once=2)
    assert len(done.timings) == 3
    assert done.finished_percent() == 75
    assert done.rate() == pytest.approx(24 / done.took_s)


def test_the_p95_of_a_crowd_is_kept_by_95_of_100() -> None:
    timings = [Timing(10, 8, first_s, 200.0) for first_s in range(100, 0, -1)]
    assert Crowd(100, timings, 1.0).first_p95_s() == 95
    assert Crowd(32, [], 1.0).first_p95_s() == float("inf")
