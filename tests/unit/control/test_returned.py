"""What came back of a worker's memory."""

import os
from pathlib import Path

import psutil
import pytest

from mlx_gui.control.returned import MemoryReturned, available_bytes

ZONES = """\
Node 0, zone   Normal
  pages free     4602
        managed  6170939
  pagesets
    cpu: 0
              count:    100000000
              high:     771367
    cpu: 1
              count:    7
Node 0, zone  Movable
  pagesets
    cpu: 0
              count:    2
"""


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


def test_pages_that_a_processor_keeps_after_their_end_are_available(tmp_path: Path) -> None:
    (tmp_path / "zoneinfo").write_text(ZONES)
    kept_bytes = (100_000_000 + 7 + 2) * os.sysconf("SC_PAGE_SIZE")
    available = available_bytes(tmp_path)
    assert kept_bytes < available < kept_bytes + psutil.virtual_memory().total


def test_where_nobody_tells_of_them_none_are_counted(tmp_path: Path) -> None:
    assert 0 < available_bytes(tmp_path) < psutil.virtual_memory().total
