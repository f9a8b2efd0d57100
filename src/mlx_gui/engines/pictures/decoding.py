"""A file becomes the pixels of one picture.

What a file says of itself is looked at before anything is decoded.
"""

import struct
import warnings
import zlib
from typing import BinaryIO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from mlx_gui.core.blob import Content, open_content, size_of
from mlx_gui.core.errors import PROGRAM_ERRORS, InvalidRequest, PayloadTooLarge, UnsupportedMedia
from mlx_gui.core.picture_formats import HEAD_BYTES, TAKEN, picture_format
from mlx_gui.engines.pictures.picture import (
    MOST_ASPECT,
    Picture,
    PictureLimits,
    Size,
    digest_of,
    named,
    size_within,
)

PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
"""Imported for what they register: Pillow would look for others, and read more than we take."""

_RAISED = (
    OSError, EOFError, RuntimeError, AssertionError, struct.error, zlib.error,
    Image.DecompressionBombError, *PROGRAM_ERRORS,
)  # fmt: skip
"""What Pillow raises at files that are damaged or made to harm."""
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_WHITE = (255, 255, 255, 255)


def decode(content: Content, *, limits: PictureLimits, where: str = "") -> Picture:
    """The picture of a file; of an animation or several pages the first.

    `where` it stands in the request is said in errors. Raises UnsupportedMedia for what is no
    picture, or of a kind that nothing here reads; InvalidRequest for one that is empty, damaged or
    too narrow; PayloadTooLarge for one with too many pixels; Cancelled where the request has ended
    meanwhile.
    """
    if not size_of(content):
        raise InvalidRequest(
            f"{named(where)} is empty: it has 0 bytes.",
            hint="Look whether the file was read before it was sent.",
            param=where or None,
        )
    with open_content(content) as file, warnings.catch_warnings():
        # A file's oddities are told by their consequences.
        warnings.simplefilter("ignore")
        return _decode(file, limits=limits, where=where)


def _decode(file: BinaryIO, *, limits: PictureLimits, where: str) -> Picture:
    found = picture_format(file.read(HEAD_BYTES))
    file.seek(0)
    if not found.codec:
        raise not_a_picture(found.name, where=where)
    try:
        with Image.open(file, formats=(found.codec,)) as image:
            turn = _turn(image)
            width, height = image.size
            _check_size((width, height), limits=limits, where=where)
            upright = (height, width) if turn in _SIDEWAYS else (width, height)
            target = size_within((width, height), limits.most_pixels)
            image.draft(None, target)
            image.load()
            pixels = _opaque(_scaled(_plain(image), target))
    except _RAISED as problem:
        if isinstance(problem, Image.DecompressionBombError):
            raise too_many_pixels(None, limits=limits, where=where) from problem
        raise damaged(found.name, _words(problem), where=where) from problem
    if turn in _TURNS:
        pixels = pixels.transpose(_TURNS[turn])
    return Picture(pixels, digest_of(pixels.size, pixels.tobytes()), upright)


def _turn(image: Image.Image) -> int:
    """How the camera was held; 1 where it does not say, or nonsense."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except _RAISED:
        return 1


def _check_size(size: Size, *, limits: PictureLimits, where: str) -> None:
    width, height = size
    if width * height > limits.most_source_pixels:
        raise too_many_pixels(size, limits=limits, where=where)
    short, long = sorted(size)
    if not short:
        raise damaged("picture", f"it says that it has {width}x{height} pixels", where=where)
    if long > MOST_ASPECT * short:
        raise InvalidRequest(
            f"{named(where)} has {width}x{height} pixels: one side is more than {MOST_ASPECT} "
            "times the other, which no model can look at.",
            hint="Crop it, or cut it into several pictures.",
            param=where or None,
        )


def _plain(image: Image.Image) -> Image.Image:
    """The same with 8 bits a value: grey or in RGB, with its transparency if it has any."""
    if image.mode in ("RGB", "RGBA", "L", "LA") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        # Pillow would cut off all above 255.
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.mode in ("I", "F"):
        return _stretched(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _stretched(image: Image.Image) -> Image.Image:
    """Numbers of any range as grey: from the lowest, which is black, to the highest."""
    low, high = (float(bound) for bound in image.getextrema())  # pyright: ignore[reportArgumentType]
    if not abs(low) + abs(high) < float("inf"):
        raise ValueError("its pixels are no numbers")
    low, high = min(low, 0.0), max(high, low + 1e-9)
    scale = 255 / (high - low)
    return image.point(lambda value: value * scale - low * scale).convert("L")


def _scaled(image: Image.Image, target: Size) -> Image.Image:
    if image.size == target:
        return image
    # The gap halves what is read first, several times as fast and not to be seen.
    return image.resize(target, Image.Resampling.BICUBIC, reducing_gap=3.0)


def _opaque(image: Image.Image) -> Image.Image:
    """In RGB, before white."""
    if image.mode in ("RGBA", "LA"):
        whole = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", whole.size, _WHITE), whole).convert("RGB")
    return image.convert("RGB")


def not_a_picture(name: str, *, where: str) -> UnsupportedMedia:
    """The refusal of what nothing here reads; `name` says what it is."""
    return UnsupportedMedia(
        f"{named(where)} is none that can be read: it is {name}.",
        hint=f"Send {TAKEN}.",
        details={"param": where} if where else None,
    )


def damaged(name: str, reason: str, *, where: str) -> InvalidRequest:
    """The refusal of a file that begins like a picture and is not whole."""
    return InvalidRequest(
        f"{named(where)} ({name}) cannot be read: {reason}.",
        hint="Open the file to see whether it is whole, or save it again as PNG or JPEG.",
        param=where or None,
    )


def too_many_pixels(size: Size | None, *, limits: PictureLimits, where: str) -> PayloadTooLarge:
    """The refusal of a picture whose file may be small; `size` where it is known."""
    said = "more" if size is None else f"{size[0]}x{size[1]} ({size[0] * size[1]})"
    return PayloadTooLarge(
        f"{named(where)} has {said} pixels; the most that is read are {limits.most_source_pixels}.",
        hint="Scale it down before it is sent.",
        details={"param": where} if where else None,
    )


def _words(problem: BaseException) -> str:
    """The reason in a few words: what Pillow says may name objects of ours."""
    if isinstance(problem, MemoryError):
        return "it takes too much memory"
    said = str(problem).strip().rstrip(".")
    printable = said and said.isprintable() and "<" not in said and len(said) <= 100
    return said if printable else type(problem).__name__
