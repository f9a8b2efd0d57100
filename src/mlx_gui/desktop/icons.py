"""The icon: a frame with bars, as the interface's mark is, in one colour on nothing."""

from mlx_gui.desktop.menu_model import IconState

Colour = tuple[int, int, int]
GREY: Colour = (128, 134, 142)
"""Seen on light panels and on dark ones."""
BLACK: Colour = (0, 0, 0)
"""For macOS, which takes such an icon as a template and colours it itself."""
_SIZE = 16
_BARS = {"stopped": 0, "running": 1, "loading": 2, "busy": 3, "warning": 3}
_BAR_ROWS = (11, 8, 5)


def drawn(state: IconState, *, pixels: int, colour: Colour) -> bytes:
    """RGBA of a square of `pixels`, row by row from the top."""
    grid = [[_covered(state, x, y) for x in range(_SIZE)] for y in range(_SIZE)]
    on, off = bytes((*colour, 255)), bytes(4)
    scaled = [number * _SIZE // pixels for number in range(pixels)]
    return b"".join(on if grid[y][x] else off for y in scaled for x in scaled)


def _covered(state: IconState, x: int, y: int) -> bool:
    if state == "warning" and x >= 10 and y <= 5:
        # A dot in the corner, with some distance from the frame.
        return (x - 13) ** 2 + (y - 2.5) ** 2 <= 6.5
    inside = 2 <= x <= 13 and 2 <= y <= 13
    framed = 1 <= x <= 14 and 1 <= y <= 14 and not inside
    corner = x in (1, 14) and y in (1, 14)
    bar = 4 <= x <= 11 and any(row <= y <= row + 1 for row in _BAR_ROWS[: _BARS[state]])
    return (framed and not corner) or bar
