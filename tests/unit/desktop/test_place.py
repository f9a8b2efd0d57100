"""Where the window is: what was kept of it, and whether it can be seen there."""

from pathlib import Path

import pytest

from mlx_gui.desktop.place import (
    PLACE_FILE,
    SMALLEST,
    Place,
    Screen,
    frame_between,
    on_screen,
    read_place,
    write_place,
)

ONE = Screen(0, 0, 1920, 1080)
LEFT = Screen(-1280, 0, 1280, 1024)


def test_it_is_where_it_was(tmp_path: Path) -> None:
    place = Place(width=900, height=700, x=10, y=20, maximized=True)
    write_place(tmp_path, place)
    assert read_place(tmp_path) == place
    assert on_screen(place, [ONE]) == place


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"width": "wide"}',
        b'{"width": 1e400}',
        b'{"x": 1.5}',
        b'{"width": 99999999}',
        b'{"x": -99999999, "y": 0}',
        b"\xff\xfe",
    ],
)
def test_what_nobody_has_written_so_is_the_usual_place(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PLACE_FILE).write_bytes(content)
    assert read_place(tmp_path) == Place()


@pytest.mark.parametrize(
    ("x", "y", "kept"),
    [
        (0, 0, True),
        (-700, 300, True),
        (-1000, 300, False),
        (1800, 300, True),
        (1900, 300, False),
        (100, -50, False),
        (100, 1060, False),
    ],
)
def test_a_window_that_nobody_could_take_is_put_where_the_desktop_wants(
    x: int, y: int, kept: bool
) -> None:
    found = on_screen(Place(width=900, height=700, x=x, y=y), [ONE])
    assert ((found.x, found.y) == (x, y)) is kept
    assert (found.x is None) is not kept


def test_a_window_does_not_wander_by_its_frame() -> None:
    asked = Place(x=100, y=40)
    assert frame_between(asked, 101, 60) == (1, 20)
    assert frame_between(asked, 100, 40) == (0, 0)
    # The desktop has put it elsewhere.
    assert frame_between(asked, 900, 60) == (0, 0)
    assert frame_between(asked, 80, 40) == (0, 0)
    assert frame_between(Place(), 101, 60) == (0, 0)


def test_a_screen_that_is_gone_or_smaller_takes_nothing_with_it() -> None:
    there = Place(width=1000, height=800, x=-1200, y=50)
    assert on_screen(there, [ONE, LEFT]) == there
    assert on_screen(there, [ONE]) == Place(width=1000, height=800)
    assert on_screen(there, []) == there
    small = on_screen(Place(width=4000, height=10, x=0, y=0), [ONE])
    assert (small.width, small.height) == (1920, SMALLEST[1])
