"""How many runs in a row did not end as they should."""

from pathlib import Path

import pytest

from mlx_gui.control.safe_mode import SafeMode
from mlx_gui.store.runs import (
    RUNS_FILE,
    begin_run,
    end_run,
    forgive_runs,
    unclean_exits_in_a_row,
)


def test_the_first_run_of_all_has_nothing_before_it(tmp_path: Path) -> None:
    assert unclean_exits_in_a_row(tmp_path) == 0


def test_runs_that_end_cleanly_do_not_count(tmp_path: Path) -> None:
    for _ in range(3):
        begin_run(tmp_path)
        end_run(tmp_path)
        assert unclean_exits_in_a_row(tmp_path) == 0


def test_runs_that_only_begin_add_up_until_one_ends_cleanly(tmp_path: Path) -> None:
    counts: list[int] = []
    for _ in range(3):
        begin_run(tmp_path)
        counts.append(unclean_exits_in_a_row(tmp_path))
    assert counts == [1, 2, 3]
    begin_run(tmp_path)
    end_run(tmp_path)
    assert unclean_exits_in_a_row(tmp_path) == 0


def test_after_forgiveness_the_present_run_can_only_be_the_first(tmp_path: Path) -> None:
    for _ in range(3):
        begin_run(tmp_path)
    forgive_runs(tmp_path)
    assert unclean_exits_in_a_row(tmp_path) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"unclean": "many"}'])
def test_a_damaged_note_is_one_unclean_exit(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RUNS_FILE).write_bytes(content)
    assert unclean_exits_in_a_row(tmp_path) == 1


@pytest.mark.parametrize(("exits", "active"), [(0, False), (1, False), (2, True), (5, True)])
def test_safe_mode_is_active_after_two(exits: int, active: bool) -> None:
    safe_mode = SafeMode(exits, lambda: None)
    assert safe_mode.active is active
    assert (str(exits) in (safe_mode.reason or "")) is active


def test_leaving_safe_mode_holds_for_the_next_start_too(tmp_path: Path) -> None:
    for _ in range(2):
        begin_run(tmp_path)
    safe_mode = SafeMode(unclean_exits_in_a_row(tmp_path), lambda: forgive_runs(tmp_path))
    begin_run(tmp_path)
    assert safe_mode.active
    safe_mode.leave()
    assert (safe_mode.active, safe_mode.reason) == (False, None)
    assert unclean_exits_in_a_row(tmp_path) == 1
