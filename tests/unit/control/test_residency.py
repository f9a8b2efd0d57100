"""The pure policy: cases by table, and what must hold in every state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.control.residency import Evict, Limits, Load, Refuse, Resident, Wait, decide
from mlx_gui.core.model import MemoryNeed


def need(total_bytes: int) -> MemoryNeed:
    return MemoryNeed(total_bytes, 0, 0, total_bytes)


def resident(
    name: str, size: int = 10, *, idle: bool = True, leaving: bool = False, used_s: float = 0
) -> Resident:
    return Resident(name, size, idle, leaving, used_s)


@pytest.mark.parametrize(
    ("residents", "expected"),
    [
        ((), Load()),
        ((resident("a"),), Load()),
        ((resident("a", used_s=2), resident("b", used_s=1)), Evict(("b",))),
        ((resident("a", 60), resident("b", 20, idle=False)), Evict(("a",))),
        ((resident("a", idle=False), resident("b", idle=False)), Wait()),
        ((resident("a", leaving=True), resident("b", idle=False)), Wait()),
        ((resident("a", 80, idle=False),), Wait()),
        ((resident("a", 80, idle=False), resident("b", 5)), Wait()),
    ],
)
def test_room_is_made_by_the_least_recently_used_idle_model(
    residents: tuple[Resident, ...], expected: object
) -> None:
    assert decide("new", need(50), residents, Limits(100, 2)) == expected


def test_what_can_never_fit_is_refused_with_both_numbers() -> None:
    decision = decide("new", need(200_000_000), (), Limits(100_000_000, 2))
    assert isinstance(decision, Refuse)
    assert "200.0 MB" in decision.error.message
    assert "100.0 MB" in decision.error.message
    assert decision.error.status == 507


def test_the_peak_of_a_load_counts_although_it_passes() -> None:
    decision = decide("new", MemoryNeed(10, 0, 0, 150), (), Limits(100, 2))
    assert isinstance(decision, Refuse)


models = st.builds(
    resident,
    st.uuids().map(str),
    st.integers(1, 60),
    idle=st.booleans(),
    leaving=st.booleans(),
    used_s=st.floats(0, 100),
)


@given(
    residents=st.lists(models, max_size=6, unique_by=lambda r: r.model_id).map(tuple),
    wanted=st.integers(1, 100),
    limit=st.integers(1, 4),
)
def test_no_decision_breaks_the_budget_or_evicts_a_model_at_work(
    residents: tuple[Resident, ...], wanted: int, limit: int
) -> None:
    decision = decide("new", need(wanted), residents, Limits(100, limit))
    if isinstance(decision, Load):
        assert sum(r.need_bytes for r in residents) + wanted <= 100
        assert len(residents) < limit
    if isinstance(decision, Evict):
        evicted = [r for r in residents if r.model_id in decision.model_ids]
        assert all(r.idle and not r.leaving for r in evicted)
        staying = [r for r in residents if r not in evicted and not r.leaving]
        assert sum(r.need_bytes for r in staying) + wanted <= 100
        assert len(staying) < limit
