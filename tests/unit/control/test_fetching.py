"""How fast a download is said to be, what it gets of the line, and of the disk."""

import asyncio
import shutil
from pathlib import Path

import pytest

from mlx_gui.catalog.disk_room import DiskRoom
from mlx_gui.control.jobs.bandwidth import Bandwidth
from mlx_gui.control.jobs.fetching import Speed
from mlx_gui.core.errors import DiskFull


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_speed_is_that_of_the_last_ten_seconds() -> None:
    clock = Clock()
    speed = Speed(clock)
    assert speed.bytes_per_s is None
    for second in range(31):
        clock.now_s = 100.0 + second
        speed.note(min(second, 20) * 1000)
    assert speed.bytes_per_s == 0
    assert speed.left_s(1000) is None
    clock.now_s = 132.0
    speed.note(22_000)
    assert speed.bytes_per_s == pytest.approx(200)
    assert speed.left_s(1000) == pytest.approx(5)


def test_nobody_guesses_before_bytes_have_come_for_five_seconds() -> None:
    clock = Clock()
    speed = Speed(clock)
    for second in range(10):
        clock.now_s = 100.0 + second
        speed.note(0)
    for second in range(5):
        clock.now_s = 110.0 + second
        speed.note(second + 1)
        assert speed.left_s(1000) is None
    clock.now_s = 115.0
    speed.note(6)
    assert speed.left_s(1000) is not None


def test_what_begins_anew_has_not_come_backwards() -> None:
    clock = Clock()
    speed = Speed(clock)
    speed.note(1_000_000)
    clock.now_s += 1
    speed.note(0)
    assert speed.bytes_per_s is None
    clock.now_s += 1
    speed.note(500)
    assert speed.bytes_per_s == 500


def test_a_limit_is_shared_by_those_that_run() -> None:
    told: dict[str, int] = {}
    limit = 1000
    bandwidth = Bandwidth(lambda: limit)
    with bandwidth.shared(lambda share: told.update(one=share)):
        assert told == {"one": 1000}
        with bandwidth.shared(lambda share: told.update(two=share)):
            assert told == {"one": 500, "two": 500}
            limit = 0
            bandwidth.share_anew()
            assert told == {"one": 0, "two": 0}
            limit = 1
            bandwidth.share_anew()
            assert told == {"one": 1, "two": 1}
        assert told["one"] == 1


def test_two_do_not_count_on_the_same_room(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    reserve = free // 2
    room = DiskRoom(lambda: reserve)
    need = free // 3

    async def scenario() -> None:
        async with room.promised(tmp_path, need) as first:
            with pytest.raises(DiskFull, match="for other downloads") as refused:
                async with room.promised(tmp_path, need):
                    pass
            assert refused.value.hint
            first.left_bytes = 0
            async with room.promised(tmp_path, need):
                pass
        with pytest.raises(DiskFull, match="less a reserve of"):
            async with room.promised(tmp_path, free):
                pass

    asyncio.run(scenario())


def test_without_a_setting_a_twentieth_of_a_small_disk_stays_free(tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    usual = min(2 * 1000**3, usage.total // 20)

    async def scenario() -> None:
        with pytest.raises(DiskFull):
            async with DiskRoom(lambda: 0).promised(tmp_path, usage.free - usual // 2):
                pass

    asyncio.run(scenario())
