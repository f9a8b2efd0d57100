"""What came back of a worker's memory, and how it is read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlx_gui.control.returned import MemoryReturned, held_bytes

ROLLUP = """\
55d0-7ffd ---p 00000000 00:00 0 [rollup]
Rss:              300000 kB
Pss:              250000 kB
Pss_Anon:         200000 kB
Pss_File:          49000 kB
Pss_Shmem:          1000 kB
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


def test_pages_of_files_are_not_held(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "smaps_rollup").write_text(ROLLUP)
    assert held_bytes(7, tmp_path) == 201_000 * 1024


def test_an_older_kernel_gives_the_whole_share(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "smaps_rollup").write_text("Rss: 300000 kB\nPss: 250000 kB\n")
    assert held_bytes(7, tmp_path) == 250_000 * 1024


def test_a_process_holds_what_it_has_filled_and_nothing_after_its_end() -> None:
    filled = 64 * 1024 * 1024
    script = f"x = bytearray(b'x') * {filled}; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert filled <= held_bytes(process.pid) < filled + 64 * 1024 * 1024
        process.kill()
        process.wait()
        assert held_bytes(process.pid) == 0
    assert held_bytes(os.getpid()) > 0
