"""One window of a data directory, and what a second start tells it."""

import os
import queue
from pathlib import Path

import pytest

from mlx_gui.desktop import handing_over
from mlx_gui.desktop.errors import NoWindow
from mlx_gui.desktop.handing_over import PIPE_FILE, hand_over, listen
from mlx_gui.desktop.only_one import only_one

DEADLINE_S = 60


def test_a_second_start_hands_its_link_over_whenever_it_comes(tmp_path: Path) -> None:
    # What an earlier one has left is no window.
    (tmp_path / PIPE_FILE).touch()
    told: queue.Queue[str] = queue.Queue()
    listen(tmp_path, told.put)
    hand_over(tmp_path, "mlx-gui://models")
    hand_over(tmp_path, "")
    assert [told.get(timeout=DEADLINE_S) for _ in range(2)] == ["mlx-gui://models", ""]
    assert (tmp_path / PIPE_FILE).stat().st_mode & 0o777 == 0o600


def test_a_window_that_does_not_listen_is_named_and_a_file_in_its_place_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_over, "_WAIT_S", 0.0)
    with pytest.raises(NoWindow, match="does not answer"):
        hand_over(tmp_path, "")
    os.mkfifo(tmp_path / PIPE_FILE)
    with pytest.raises(NoWindow, match="does not answer"):
        hand_over(tmp_path, "")
    (tmp_path / PIPE_FILE).unlink()
    (tmp_path / PIPE_FILE).touch()
    with pytest.raises(NoWindow, match="not what it should be"):
        hand_over(tmp_path, "")


def test_one_is_alone_until_it_ends(tmp_path: Path) -> None:
    lock = tmp_path / "data" / "window.lock"
    with only_one(lock, fault=NoWindow) as first, only_one(lock, fault=NoWindow) as second:
        assert (first, second) == (True, False)
    with only_one(lock, fault=NoWindow) as third:
        assert third
    lock.unlink()
    lock.mkdir()
    with pytest.raises(NoWindow, match="cannot be written"), only_one(lock, fault=NoWindow):
        pass
