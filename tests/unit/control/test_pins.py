"""Whether pinned models fit into memory together."""

import pytest

from mlx_gui.control.plans.pins import check_pins, check_pins_below
from mlx_gui.core.errors import Conflict

GB = 1_000_000_000


def test_pins_that_fill_the_budget_exactly_are_fine() -> None:
    check_pins("a", {"a": 3 * GB, "b": 5 * GB}, budget_bytes=8 * GB, max_models=2)


@pytest.mark.parametrize(
    ("need_bytes", "message", "hint"),
    [
        (
            {"a": 9 * GB},
            "a cannot be pinned. It needs 9.0 GB; models may use 8.0 GB.",
            "Lower its context_tokens",
        ),
        (
            {"a": 4 * GB, "c": 3 * GB, "b": 2 * GB},
            "a cannot be pinned. It needs 4.0 GB, the pinned b, c 5.0 GB; models may use 8.0 GB.",
            "mlx-gui settings b pinned=off",
        ),
    ],
)
def test_pins_beyond_the_budget_are_refused_with_the_numbers(
    need_bytes: dict[str, int], message: str, hint: str
) -> None:
    with pytest.raises(Conflict) as caught:
        check_pins("a", need_bytes, budget_bytes=8 * GB, max_models=3)

    assert caught.value.message == message
    assert hint in caught.value.hint
    assert caught.value.details["needed_bytes"] == sum(need_bytes.values())


def test_more_pins_than_models_in_memory_are_refused() -> None:
    with pytest.raises(Conflict, match="1 models may be in memory together, and pinned are b"):
        check_pins("a", {"a": 1, "b": 1}, budget_bytes=8 * GB, max_models=1)


def test_settings_of_the_server_that_leave_the_pinned_no_room_are_refused() -> None:
    check_pins_below({"a": 5 * GB, "b": 3 * GB}, budget_bytes=8 * GB, max_models=2)
    check_pins_below({"a": 5 * GB, "b": 9 * GB}, budget_bytes=None, max_models=2)
    check_pins_below({}, budget_bytes=None, max_models=1)

    with pytest.raises(Conflict, match="max_loaded_models cannot be 1: pinned are a, b"):
        check_pins_below({"a": 1, "b": 1}, budget_bytes=None, max_models=1)
    with pytest.raises(Conflict, match=r"the pinned a, b need 9.0 GB; models may use 8.0 GB"):
        check_pins_below({"a": 5 * GB, "b": 4 * GB}, budget_bytes=8 * GB, max_models=2)
