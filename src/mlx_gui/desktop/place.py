"""Where the window was, so that it is there again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mlx_gui.core.durable import write_durably

PLACE_FILE = "window.json"
SMALLEST = (480, 360)
_USUAL = (1200, 820)
_LARGEST = 20_000
_FRAME = 64
"""No frame is as thick."""
_HOLD = (120, 40)
"""So much of the window must be on a screen that somebody can take it and move it."""


class Place(msgspec.Struct, frozen=True):
    """In the units of the desktop. Without `x` and `y` the desktop chooses."""

    width: int = _USUAL[0]
    height: int = _USUAL[1]
    x: int | None = None
    y: int | None = None
    maximized: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    x: int
    y: int
    width: int
    height: int


def read_place(folder: Path) -> Place:
    """What lies there; the usual one where that is nothing, or nothing that we have written."""
    try:
        place = msgspec.json.decode((folder / PLACE_FILE).read_bytes(), type=Place)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Place()
    whole = (place.width, place.height, place.x or 0, place.y or 0)
    return place if all(abs(number) <= _LARGEST for number in whole) else Place()


def write_place(folder: Path, place: Place) -> None:
    """Raises OSError."""
    write_durably(folder / PLACE_FILE, msgspec.json.encode(place))


def on_screen(place: Place, screens: Sequence[Screen]) -> Place:
    """`place`, so that it can be seen on one of `screens`, which may have changed since."""
    if not screens:
        return place
    shown = next((each for each in screens if _can_be_taken(place, each)), None)
    screen = shown or screens[0]
    return Place(
        width=max(SMALLEST[0], min(place.width, screen.width)),
        height=max(SMALLEST[1], min(place.height, screen.height)),
        x=None if shown is None else place.x,
        y=None if shown is None else place.y,
        maximized=place.maximized,
    )


def frame_between(asked: Place, x: int, y: int) -> tuple[int, int]:
    """How far right and down of where it was asked to be the window says it is.

    Some desktops are asked for the place of its frame and tell that of what is inside: it would
    wander a little with every start.
    """
    if asked.x is None or asked.y is None:
        return 0, 0
    right, down = x - asked.x, y - asked.y
    return (right, down) if 0 <= right <= _FRAME and 0 <= down <= _FRAME else (0, 0)


def _can_be_taken(place: Place, screen: Screen) -> bool:
    """Whether its upper edge, by which windows are moved, is there far enough."""
    if place.x is None or place.y is None:
        return False
    left, right = max(place.x, screen.x), min(place.x + place.width, screen.x + screen.width)
    below_top = screen.y <= place.y <= screen.y + screen.height - _HOLD[1]
    return right - left >= _HOLD[0] and below_top
