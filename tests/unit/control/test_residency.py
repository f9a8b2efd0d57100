"""The pure policy: cases by table, and what must hold in every state."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.control.residency.policy import (
    NEVER_S,
    Drain,
    Evict,
    Limits,
    Load,
    Refuse,
    Resident,
    Step,
    Wait,
    Wanted,
    decide,
    surplus,
)
from mlx_gui.core.model import MemoryNeed

NOW_S = 1000.0
TURN_S = 20.0


def need(total_bytes: int, *, peak_bytes: int | None = None) -> MemoryNeed:
    return MemoryNeed(total_bytes, 0, 0, total_bytes if peak_bytes is None else peak_bytes)


def limits(budget: int = 100, models: int = 2, *, most: int | None = None) -> Limits:
    return Limits(budget, budget if most is None else most, models, TURN_S)


def idle(name: str, size: int = 10, *, used_s: float = 0, **standing: Any) -> Resident:
    return Resident(name, size, "ready", last_used_s=used_s, **standing)


def busy(name: str, size: int = 10, *, left_s: float = 0, queued: int = 0) -> Resident:
    """A model that answers, with `left_s` of its turn to go."""
    return Resident(
        name, size, "ready", leases=1, queued=queued, last_used_s=NOW_S, turn_ends_s=NOW_S + left_s
    )


def steps(
    *residents: Resident, wanted: tuple[Wanted, ...] | None = None, within: Limits | None = None
) -> tuple[Step, ...]:
    asked = wanted or (Wanted("new", need(50), since_s=NOW_S),)
    return decide(asked, residents, limits=within or limits(), now_s=NOW_S)


def one(*residents: Resident, within: Limits | None = None) -> Step:
    (step,) = steps(*residents, within=within)
    return step


def leavers(step: Step) -> tuple[str, ...]:
    assert isinstance(step, Evict | Drain)
    return tuple(each.model_id for each in step.leavers)


def test_what_fits_is_loaded() -> None:
    assert one() == Load("new")
    assert one(idle("a")) == Load("new")
    assert one(busy("a", 50)) == Load("new")


@pytest.mark.parametrize(
    ("residents", "expected"),
    [
        ((idle("a", used_s=2), idle("b", used_s=1)), ("b",)),
        ((idle("a", used_s=1), idle("b", used_s=2)), ("a",)),
        ((idle("a", 60), busy("b", 20)), ("a",)),
        # The lowest priority leaves first, whenever it was used.
        ((idle("a", used_s=1), idle("b", used_s=2, priority=-1)), ("b",)),
        ((idle("a", used_s=1, priority=1), idle("b", used_s=2)), ("b",)),
        # A pinned one never leaves.
        ((idle("a", used_s=1, pinned=True), idle("b", used_s=2)), ("b",)),
        # No more than it takes: the large one alone is enough.
        ((idle("a", 10, used_s=1), idle("b", 60, used_s=2)), ("b",)),
    ],
)
def test_room_is_made_by_who_matters_least(
    residents: tuple[Resident, ...], expected: tuple[str, ...]
) -> None:
    step = one(*residents)
    assert isinstance(step, Evict)
    assert leavers(step) == expected


def test_both_leave_where_one_is_not_enough() -> None:
    within = limits(models=3)
    assert leavers(one(idle("a", 40, used_s=1), idle("b", 40, used_s=2), within=within)) == ("a",)
    assert leavers(one(idle("a", 55), idle("b", 52, used_s=2), within=within)) == ("a", "b")


def test_an_eviction_says_why_it_is_this_one() -> None:
    step = one(idle("a", used_s=NOW_S - 720), idle("b", used_s=NOW_S))
    assert isinstance(step, Evict)
    assert "12 min" in step.leavers[0].reason


def test_a_model_at_work_keeps_its_turn_and_then_takes_nothing_new() -> None:
    waits = one(busy("a", 80, left_s=5))
    assert isinstance(waits, Wait)
    assert waits.until_s == NOW_S + 5
    assert "a" in waits.reason
    assert leavers(one(busy("a", 80))) == ("a",)
    assert isinstance(one(busy("a", 80)), Drain)


def test_one_that_has_finished_its_answers_after_its_turn_leaves_although_others_wait_for_it() -> (
    None
):
    drained = Resident("a", 80, "ready", leases=0, queued=7, turn_ends_s=NOW_S - 1)
    assert leavers(one(drained)) == ("a",)
    assert isinstance(one(drained), Evict)


def test_a_load_under_way_is_not_disturbed() -> None:
    loading = Resident("a", 80, "loading", turn_ends_s=NEVER_S)
    step = one(loading)
    assert isinstance(step, Wait)
    assert step.until_s == NEVER_S


def test_what_leaves_is_waited_for_and_nobody_else_has_to_go() -> None:
    step = one(Resident("a", 80, "leaving"), idle("b", 10))
    assert isinstance(step, Wait)
    assert "a is leaving" in step.reason


def test_a_busy_model_is_drained_before_an_idle_one_is_given_up_for_nothing() -> None:
    step = one(busy("a", 60), idle("b", 35), within=limits(models=3))
    assert isinstance(step, Drain)
    assert leavers(step) == ("a",)


def test_two_that_want_the_last_room_do_not_both_get_it() -> None:
    wanted = (Wanted("x", need(60), since_s=1), Wanted("y", need(60), since_s=2))
    first, second = steps(wanted=wanted)
    assert first == Load("x")
    assert isinstance(second, Wait)


def test_a_small_one_overtakes_only_where_there_is_room_for_both() -> None:
    large = Wanted("large", need(70), since_s=1)
    beside = steps(busy("a", 60, left_s=9), wanted=(large, Wanted("small", need(30), since_s=2)))
    assert isinstance(beside[0], Wait)
    assert beside[1] == Load("small")
    instead = steps(busy("a", 60, left_s=9), wanted=(large, Wanted("medium", need(40), since_s=2)))
    assert [type(step) for step in instead] == [Wait, Wait]


def test_priority_decides_who_is_first_and_waiting_raises_it() -> None:
    urgent = Wanted("urgent", need(60), priority=2, since_s=NOW_S)
    plain = Wanted("plain", need(60), since_s=NOW_S - 1)
    patient = Wanted("patient", need(60), since_s=NOW_S - 3 * TURN_S)
    assert steps(wanted=(plain, urgent))[0] == Load("urgent")
    assert steps(wanted=(patient, urgent))[0] == Load("patient")


def test_what_can_never_fit_is_refused_with_both_numbers_and_what_to_do() -> None:
    (step,) = decide(
        (Wanted("new", need(200_000_000)),), (), limits=limits(100_000_000), now_s=NOW_S
    )
    assert isinstance(step, Refuse)
    assert "200.0 MB" in step.error.message
    assert "100.0 MB" in step.error.message
    assert step.error.status == 507
    assert not step.error.retryable
    assert "quantization" in step.error.hint
    assert "context" in step.error.hint


def test_the_peak_of_a_load_counts_although_it_passes() -> None:
    (step,) = decide((Wanted("new", need(10, peak_bytes=150)),), (), limits=limits(), now_s=NOW_S)
    assert isinstance(step, Refuse)


@pytest.mark.parametrize(
    ("residents", "within", "word"),
    [
        ((idle("a", 60, pinned=True),), limits(), "pinned"),
        ((idle("a", pinned=True), idle("b", pinned=True)), limits(), "pinned"),
        ((), limits(40, most=100), "other programs"),
        ((), Limits(100, 100, 2, TURN_S, loads_paused="is not loaded now"), "is not loaded now"),
    ],
)
def test_what_waiting_would_not_mend_is_refused_with_the_cause(
    residents: tuple[Resident, ...], within: Limits, word: str
) -> None:
    step = one(*residents, within=within)
    assert isinstance(step, Refuse)
    assert word in step.error.message
    assert step.error.status == 503
    assert step.error.hint


def test_while_memory_comes_back_nobody_is_refused_or_leaves_for_what_seems_to_be_missing() -> None:
    settling = Limits(40, 100, 2, TURN_S, settled_s=NOW_S + 1)
    for step in (one(within=settling), one(idle("a", 30), within=settling)):
        assert isinstance(step, Wait)
        assert step.until_s == NOW_S + 1
    assert one(within=replace(settling, budget_bytes=60)) == Load("new")
    assert isinstance(one(within=replace(settling, settled_s=NOW_S)), Refuse)
    # Where no other program is in the way, nothing is to be waited for.
    assert isinstance(one(idle("a", 60), within=replace(settling, budget_bytes=100)), Evict)


residents_in_any_state = st.builds(
    Resident,
    st.uuids().map(str),
    st.integers(1, 60),
    st.sampled_from(("loading", "ready", "leaving")),
    leases=st.integers(0, 2),
    queued=st.integers(0, 2),
    pinned=st.booleans(),
    priority=st.integers(-2, 2),
    last_used_s=st.floats(0, NOW_S),
    turn_ends_s=st.floats(NOW_S - 10, NOW_S + 10),
).map(lambda r: replace(r, turn_ends_s=NEVER_S) if r.state == "loading" else r)
anything_wanted = st.builds(
    Wanted,
    st.uuids().map(lambda each: f"new-{each}"),
    st.integers(1, 100).map(need),
    priority=st.integers(-2, 2),
    since_s=st.floats(0, NOW_S),
)


@given(
    residents=st.lists(residents_in_any_state, max_size=6, unique_by=lambda r: r.model_id),
    wanted=st.lists(anything_wanted, max_size=4, unique_by=lambda w: w.model_id),
    models=st.integers(1, 4),
    budget=st.integers(50, 100),
)
def test_no_decision_breaks_a_limit_or_takes_a_model_from_its_work(
    residents: list[Resident], wanted: list[Wanted], models: int, budget: int
) -> None:
    within = limits(budget, models, most=100)
    made = decide(wanted, residents, limits=within, now_s=NOW_S)
    assert sorted(step.model_id for step in made) == sorted(each.model_id for each in wanted)
    by_name = {each.model_id: each for each in residents}
    loads = {step.model_id for step in made if isinstance(step, Load)}
    if loads:
        held = sum(each.held_bytes for each in residents)
        assert held + sum(w.room_bytes for w in wanted if w.model_id in loads) <= budget
        assert len(residents) + len(loads) <= models
    told: list[str] = []
    for step in made:
        if isinstance(step, Evict):
            assert not any(by_name[name].leases for name in leavers(step))
        if isinstance(step, Evict | Drain):
            told += leavers(step)
            for resident in (by_name[name] for name in leavers(step)):
                assert not resident.pinned
                assert resident.state == "ready"
                assert resident.idle or resident.turn_ends_s <= NOW_S
    assert len(told) == len(set(told)), "nobody makes room for two"


@pytest.mark.parametrize(
    ("residents", "within", "leaving"),
    [
        ((idle("a"), idle("b")), limits(), ()),
        ((idle("a", used_s=2), idle("b", used_s=1)), limits(models=1), ("b",)),
        ((idle("a", 60, used_s=2), idle("b", 60, used_s=1)), limits(), ("b",)),
        ((idle("a", 60), idle("b", 60)), limits(50), ("a", "b")),
        ((idle("a", 60), idle("b", 40)), limits(10, most=100), ()),
        ((idle("a", 60, pinned=True), busy("b", 60), idle("c", 60)), limits(), ("c",)),
        ((idle("a", 60, priority=1), idle("b", 60, used_s=9)), limits(), ("b",)),
        ((replace(idle("a", 60), state="leaving"), idle("b", 60)), limits(), ()),
    ],
)
def test_idle_models_are_surplus_where_lower_limits_leave_no_room_for_them(
    residents: tuple[Resident, ...], within: Limits, leaving: tuple[str, ...]
) -> None:
    assert tuple(each.model_id for each in surplus(residents, within)) == leaving
