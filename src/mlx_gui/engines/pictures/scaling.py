"""Pixels as a file has them become those that a model sees: 8 bits, before white, and not too many.

Of a large picture this happens in strips, so that beside its own pixels there are never many more.
"""

from collections.abc import Callable
from math import ceil, floor

from PIL import Image

from mlx_gui.engines.pictures.picture import Size

_WHITE = (255, 255, 255, 255)
_STRIP_PIXELS = 512 * 1024
"""Of the file's own, in one strip."""
_REACH = 2.0
"""A pixel of the result is made of those that are so far away, in pixels of the result."""
_GAP = 3.0
"""What is read is halved first, as far as the result is not to be seen in it; several times as
fast."""

Plainly = Callable[[Image.Image], Image.Image]


def seen(image: Image.Image, target: Size) -> Image.Image:
    """`image` in RGB, what is transparent before white, with the size `target`.

    Raises ValueError where its pixels are no numbers.
    """
    plainly = _plainly(image)
    if image.size == target:
        return _opaque(plainly(image))
    width, height = target
    scale = image.height / height
    rows = max(int(_STRIP_PIXELS / (image.width * scale)), 1)
    if rows >= height:
        whole = plainly(image).resize(target, Image.Resampling.BICUBIC, reducing_gap=_GAP)
        return _opaque(whole)
    made = Image.new("RGB", target)
    margin = ceil(_REACH * max(scale, 1.0)) + 1
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first = max(floor(top * scale) - margin, 0)
        last = min(ceil(bottom * scale) + margin, image.height)
        strip = plainly(image.crop((0, first, image.width, last)))
        box = (0.0, top * scale - first, float(image.width), bottom * scale - first)
        part = strip.resize(
            (width, bottom - top), Image.Resampling.BICUBIC, box=box, reducing_gap=_GAP
        )
        made.paste(_opaque(part), (0, top))
    return made


def _plainly(image: Image.Image) -> Plainly:
    """Makes `image`, or a part of it, one with 8 bits a value: grey or in RGB, with its
    transparency if it has any."""
    if image.mode in ("RGB", "RGBA", "L", "LA") and "transparency" not in image.info:
        return _as_it_is
    if image.mode.startswith("I;16"):
        return _from_16_bits
    if image.mode in ("I", "F"):
        return _stretching(image)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return lambda part: part.convert(mode)


def _as_it_is(part: Image.Image) -> Image.Image:
    return part


def _from_16_bits(part: Image.Image) -> Image.Image:
    # Pillow would cut off all above 255.
    return part.convert("I").point(lambda value: value * (1 / 257)).convert("L")


def _stretching(image: Image.Image) -> Plainly:
    """Numbers of any range as grey: from the lowest of `image`, which is black, to the highest."""
    low, high = (float(bound) for bound in image.getextrema())  # pyright: ignore[reportArgumentType]
    if not abs(low) + abs(high) < float("inf"):
        raise ValueError("its pixels are no numbers")
    low, high = min(low, 0.0), max(high, low + 1e-9)
    scale = 255 / (high - low)
    return lambda part: part.point(lambda value: value * scale - low * scale).convert("L")


def _opaque(image: Image.Image) -> Image.Image:
    """In RGB, before white."""
    if image.mode in ("RGBA", "LA"):
        whole = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", whole.size, _WHITE), whole).convert("RGB")
    return image.convert("RGB")
