"""When memory counts as scarce. The machine's reserve is 2 GB in all of these."""

import pytest

from mlx_gui.control.machine.pressure import pressure_level
from mlx_gui.control.machine.reading import MemoryReading, Pressure, Stall

MB = 10**6
GB = 10**9


def reading(
    available_bytes: int,
    stall: Stall | None = None,
    kernel: Pressure | None = None,
    total_bytes: int = 32 * GB,
) -> MemoryReading:
    return MemoryReading(
        total_bytes, available_bytes, total_bytes, stall=stall, kernel_pressure=kernel
    )


@pytest.mark.parametrize(
    ("available_bytes", "before", "level"),
    [
        (20 * GB, "normal", "normal"),
        (1_000 * MB, "normal", "normal"),
        (999 * MB, "normal", "warn"),
        (500 * MB, "normal", "warn"),
        (499 * MB, "normal", "critical"),
        # Better, but not by enough to leave the level.
        (1_249 * MB, "warn", "warn"),
        (1_250 * MB, "warn", "normal"),
        (624 * MB, "critical", "critical"),
        (625 * MB, "critical", "warn"),
        (1_249 * MB, "critical", "warn"),
        (1_250 * MB, "critical", "normal"),
        (499 * MB, "warn", "critical"),
        (0, "normal", "critical"),
    ],
)
def test_the_level_follows_what_is_left_of_the_reserve(
    available_bytes: int, before: Pressure, level: Pressure
) -> None:
    assert pressure_level(reading(available_bytes), before) == level


@pytest.mark.parametrize(
    ("some", "full", "before", "level"),
    [
        (9.9, 4.9, "normal", "normal"),
        (10.0, 0.0, "normal", "warn"),
        (0.0, 5.0, "normal", "warn"),
        (60.0, 20.0, "normal", "critical"),
        (8.1, 0.0, "warn", "warn"),
        (7.9, 3.9, "warn", "normal"),
        (90.0, 16.1, "critical", "critical"),
        (90.0, 15.9, "critical", "warn"),
    ],
)
def test_the_level_follows_the_time_lost_while_memory_is_not_plenty(
    some: float, full: float, before: Pressure, level: Pressure
) -> None:
    assert pressure_level(reading(3 * GB, Stall(some, full)), before) == level


def test_others_that_stall_while_we_have_plenty_do_not_count() -> None:
    assert pressure_level(reading(4 * GB, Stall(90.0, 90.0)), "normal") == "normal"


@pytest.mark.parametrize("level", ["normal", "warn", "critical"])
def test_a_kernel_with_a_verdict_of_its_own_is_believed(level: Pressure) -> None:
    assert pressure_level(reading(0, Stall(99.0, 99.0), level), "warn") == level


def test_a_small_machine_is_judged_by_its_share() -> None:
    small = 4 * GB
    assert pressure_level(reading(501 * MB, total_bytes=small), "normal") == "normal"
    assert pressure_level(reading(499 * MB, total_bytes=small), "normal") == "warn"
    assert pressure_level(reading(249 * MB, total_bytes=small), "normal") == "critical"


def test_a_reserve_that_was_set_smaller_moves_the_levels_and_a_larger_one_does_not() -> None:
    left = reading(800 * MB)

    assert pressure_level(left, "normal", reserve_wanted_bytes=1 * GB) == "normal"
    assert pressure_level(left, "normal") == "warn"
    assert pressure_level(reading(2 * GB), "normal", reserve_wanted_bytes=16 * GB) == "normal"
