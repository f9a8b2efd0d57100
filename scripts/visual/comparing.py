"""How much of two pictures of the same thing differs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops

_PALE = 0.25
_MARK = (220, 0, 60)
_BLANK = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Difference:
    """`share` is of the pixels; `picture` is what they show, pale, with what differs marked."""

    share: float
    picture: Image.Image


def compared(before: Image.Image, after: Image.Image) -> Difference:
    """What differs, by however little. What one of them alone is large enough for, differs."""
    size = (max(before.width, after.width), max(before.height, after.height))
    one, other = _on_canvas(before, size), _on_canvas(after, size)
    found = Image.new("L", size)
    for band in ImageChops.difference(one, other).split():
        found = ImageChops.lighter(found, band)
    found = found.point(lambda value: 255 if value else 0)
    count = found.histogram()[255]
    pale = Image.blend(Image.new("RGB", size, _BLANK), other.convert("RGB"), _PALE)
    pale.paste(_MARK, mask=found)
    return Difference(count / (size[0] * size[1]), pale)


def changes(before: Path, after: Path) -> Iterator[tuple[str, Difference | None]]:
    """Of each picture in either folder its name and what differs; None where one lacks it."""
    there = {path.name for folder in (before, after) for path in folder.glob("*.png")}
    for name in sorted(there):
        if not ((before / name).exists() and (after / name).exists()):
            yield name, None
        else:
            with Image.open(before / name) as one, Image.open(after / name) as other:
                yield name, compared(one, other)


def _on_canvas(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """In the corner of a canvas that is transparent where the picture does not reach."""
    canvas = Image.new("RGBA", size, (0, 0, 0, 0))
    canvas.paste(picture.convert("RGBA"))
    return canvas
