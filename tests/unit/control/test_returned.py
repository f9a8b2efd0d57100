"""What came back of a worker's memory."""

import pytest

from mlx_gui.control.workers.weighing import MemoryReturned


@pytest.mark.parametrize(
    ("held", "before", "after", "share", "came_back"),
    [
        (1000, 5000, 6000, 1.0, True),
        (1000, 5000, 5960, 0.96, True),
        (1000, 5000, 5940, 0.94, False),
        (1000, 5000, 4000, -1.0, False),
        (1000, 5000, 9000, 4.0, True),
        (0, 5000, 5000, 1.0, True),
    ],
)
def test_memory_came_back_when_no_more_than_a_twentieth_is_missing(
    held: int, before: int, after: int, share: float, came_back: bool
) -> None:
    returned = MemoryReturned(held, before, after)
    assert returned.share == pytest.approx(share)
    assert returned.came_back is came_back
