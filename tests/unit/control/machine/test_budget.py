"""What models may use together, and the words for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.control.machine.budget import BudgetLimits, BudgetSource, budget, reserve_of
from mlx_gui.control.machine.reading import Container, MemoryReading
from mlx_gui.core.device import Backend, DeviceFacts

GB = 10**9
NO_LIMITS = BudgetLimits()
READING = MemoryReading(32 * GB, 24 * GB, 32 * GB)
CONTAINED = MemoryReading(
    8 * GB, 7 * GB, 32 * GB, container=Container(8 * GB, 7 * GB, swap_bytes=0)
)


def device(backend: Backend, working_set_bytes: int | None = None) -> DeviceFacts:
    return DeviceFacts(backend, "some", 32 * GB, working_set_bytes, {}, {})


@pytest.mark.parametrize(
    ("facts", "limits", "reading", "static_bytes", "reason"),
    [
        (None, NO_LIMITS, READING, 24 * GB, "three quarters of the machine's memory"),
        (device("cpu"), NO_LIMITS, READING, 24 * GB, "three quarters of the machine's memory"),
        (device("metal", 22 * GB), NO_LIMITS, READING, 22 * GB, "what Metal recommends"),
        (device("cuda", 16 * GB), NO_LIMITS, READING, 16 * GB, "the memory of the GPU"),
        (
            device("metal", 22 * GB),
            NO_LIMITS,
            replace(READING, wired_limit_bytes=20 * GB),
            20 * GB,
            "the GPU's limit (iogpu.wired_limit_mb)",
        ),
        (
            device("metal", 32 * GB),
            NO_LIMITS,
            replace(READING, available_bytes=32 * GB),
            30 * GB,
            "the machine's memory, less a reserve of 2.0 GB",
        ),
        (None, BudgetLimits(5 * GB), READING, 5 * GB, "the limit that was set"),
        (None, NO_LIMITS, CONTAINED, 6 * GB, "the memory limit of the container (cgroup)"),
        (None, BudgetLimits(0, 10 * GB), READING, 22 * GB, "less a reserve of 10.0 GB"),
    ],
)
def test_the_smallest_bound_binds_and_is_named(
    facts: DeviceFacts | None,
    limits: BudgetLimits,
    reading: MemoryReading,
    static_bytes: int,
    reason: str,
) -> None:
    # With the models' own memory counted as theirs, nothing is taken by others.
    held_bytes = reading.total_bytes - reading.available_bytes
    found = budget(reading, device=facts, limits=limits, models_used_bytes=held_bytes)

    assert (found.static_bytes, found.now_bytes) == (static_bytes, static_bytes)
    assert reason in found.binding
    assert found.other_programs_bytes == 0


def test_what_others_took_is_not_there_now_and_what_models_hold_is() -> None:
    found = budget(READING, device=None, limits=NO_LIMITS, models_used_bytes=0)
    shared = budget(READING, device=None, limits=NO_LIMITS, models_used_bytes=1 * GB)

    assert (found.static_bytes, found.now_bytes) == (24 * GB, 22 * GB)
    assert (found.other_programs_bytes, shared.other_programs_bytes) == (8 * GB, 7 * GB)
    assert shared.now_bytes == 23 * GB
    assert found.binding == "what other programs leave free now, less a reserve of 2.0 GB"
    assert found.static_reason == "three quarters of the machine's memory"


def test_the_reason_of_a_container_names_it() -> None:
    found = budget(CONTAINED, device=None, limits=NO_LIMITS, models_used_bytes=1 * GB)

    reason = "the memory limit of the container (cgroup), less a reserve of 2.0 GB"
    assert (found.now_bytes, found.binding, found.static_reason) == (6 * GB, reason, reason)
    assert [bound.name for bound in found.bounds] == ["device", "machine", "container", "free"]


@pytest.mark.parametrize(
    ("total_bytes", "wanted_bytes", "reserve_bytes"),
    [(32 * GB, 0, 2 * GB), (4 * GB, 0, 1 * GB), (32 * GB, 5 * GB, 5 * GB), (0, 0, 0)],
)
def test_a_quarter_of_a_small_memory_is_kept_free(
    total_bytes: int, wanted_bytes: int, reserve_bytes: int
) -> None:
    assert reserve_of(total_bytes, wanted_bytes) == reserve_bytes


amounts = st.integers(0, 2**50)


@given(
    total_bytes=amounts,
    available_bytes=amounts,
    limit_bytes=amounts,
    reserve_bytes=amounts,
    used_bytes=st.integers(-(2**50), 2**50),
    working_set_bytes=st.none() | amounts,
    wired_bytes=st.none() | amounts,
    container=st.none() | st.builds(Container, amounts, amounts),
)
def test_a_budget_is_never_negative_and_never_above_a_bound(
    total_bytes: int,
    available_bytes: int,
    limit_bytes: int,
    reserve_bytes: int,
    used_bytes: int,
    working_set_bytes: int | None,
    wired_bytes: int | None,
    container: Container | None,
) -> None:
    reading = MemoryReading(
        total_bytes,
        available_bytes,
        total_bytes,
        container=container,
        wired_limit_bytes=wired_bytes,
    )
    found = budget(
        reading,
        device=device("metal", working_set_bytes),
        limits=BudgetLimits(limit_bytes, reserve_bytes),
        models_used_bytes=used_bytes,
    )

    assert 0 <= found.now_bytes <= found.static_bytes
    assert all(found.now_bytes <= bound.limit_bytes for bound in found.bounds)
    assert all(found.static_bytes <= bound.limit_bytes for bound in found.bounds[:-1])
    assert found.binding in {bound.reason for bound in found.bounds}
    assert found.now_bytes <= max(available_bytes + used_bytes, available_bytes)
    assert not limit_bytes or found.static_bytes <= limit_bytes
    assert found.other_programs_bytes >= 0


def test_a_source_reads_again_only_after_a_while() -> None:
    readings = [replace(READING, available_bytes=n * GB) for n in (20, 19)]
    now_s = [5.0]
    source = BudgetSource(
        lambda: readings.pop(0),
        lambda: NO_LIMITS,
        device=lambda: None,
        clock=lambda: now_s[0],
    )

    assert source.current(0).now_bytes == 18 * GB
    now_s[0] += 0.19
    assert source.current(2 * GB).now_bytes == 20 * GB
    now_s[0] += 0.02
    assert source.current(0).now_bytes == 17 * GB


def test_a_source_hears_of_the_device_as_soon_as_it_is_known() -> None:
    known: list[DeviceFacts] = []
    source = BudgetSource(
        lambda: READING, lambda: NO_LIMITS, device=lambda: known[0] if known else None
    )
    before = source.current(8 * GB).static_bytes
    known.append(device("metal", 20 * GB))

    assert (before, source.current(8 * GB).static_bytes) == (24 * GB, 20 * GB)
