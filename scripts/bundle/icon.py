"""The icon of the app: the mark of the interface, as web/src/assets/favicon.svg has it."""

from pathlib import Path

from PIL import Image, ImageDraw

PIXELS = 1024
_UNITS = 28
_MARGIN = 2.8
"""Of the size of the drawing, on each side: icons of macOS do not fill their square."""
_FRAME = (0, 0, _UNITS, _UNITS, 7, "#191A1D")
"""Left, top, width, height, radius and colour."""
_BARS = (
    (6, 7.5, 16, 3.4, 1.2, "#8FAAFF"),
    (6, 12.5, 9, 3.4, 1.2, "#F0A063"),
    (6, 17.5, 5, 3.4, 1.2, "#5CC9B4"),
)


def write_icon(path: Path) -> None:
    """As PNG with an alpha channel."""
    unit = PIXELS / (_UNITS + 2 * _MARGIN)
    picture = Image.new("RGBA", (PIXELS, PIXELS))
    draw = ImageDraw.Draw(picture)

    for x, y, width, height, radius, fill in (_FRAME, *_BARS):
        left, top = (x + _MARGIN) * unit, (y + _MARGIN) * unit
        place = (left, top, left + width * unit, top + height * unit)
        draw.rounded_rectangle(place, radius=radius * unit, fill=fill)
    picture.save(path)
