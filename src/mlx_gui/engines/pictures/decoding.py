"""A file becomes the pixels of one picture.

What a file says of itself is looked at before anything is decoded.
"""

import struct
import warnings
import zlib
from dataclasses import dataclass
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
    UnidentifiedImageError,
    WebPImagePlugin,
)

from mlx_gui.core.blob import Content, open_content, size_of
from mlx_gui.core.errors import PROGRAM_ERRORS, InvalidRequest, PayloadTooLarge, UnsupportedMedia
from mlx_gui.core.picture_formats import HEAD_BYTES, HEIF, TAKEN, picture_format
from mlx_gui.core.units import format_bytes
from mlx_gui.engines.pictures.heic import open_heic_reader
from mlx_gui.engines.pictures.needs import decoding_bytes, webp_bytes, webp_size
from mlx_gui.engines.pictures.picture import (
    MOST_ASPECT,
    Picture,
    PictureLimits,
    Size,
    digest_of,
    named,
    size_within,
)
from mlx_gui.engines.pictures.scaling import seen

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


class NotQuick(Exception):
    """The picture takes more than one may that is read at once."""


def decode(
    content: Content, *, limits: PictureLimits, where: str = "", quick_bytes: int | None = None
) -> Picture:
    """The picture of a file; of an animation or several pages the first.

    `where` it stands in the request is said in errors. Raises UnsupportedMedia for what is no
    picture, or of a kind that nothing here reads; InvalidRequest for one that is empty, damaged or
    too narrow; PayloadTooLarge for one with too many pixels; Cancelled where the request has ended
    meanwhile; NotQuick before it decodes one that takes more than `quick_bytes` of memory.
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
        return _decode(file, limits=limits, where=where, quick_bytes=quick_bytes)


def _decode(
    file: BinaryIO, *, limits: PictureLimits, where: str, quick_bytes: int | None
) -> Picture:
    head = file.read(HEAD_BYTES)
    found = picture_format(head)
    file.seek(0)
    if not found.codec:
        raise not_a_picture(found.name, where=where)
    if found.codec == HEIF:
        open_heic_reader(where=where)
    room = _Room(limits, found.name, where, quick_bytes)
    if found.codec == "WEBP" and (size := webp_size(head)) is not None:
        room.check(size, webp_bytes(size))
    try:
        with Image.open(file, formats=(found.codec,)) as image:
            turn = _turn(image)
            width, height = image.size
            _check_size((width, height), limits=limits, where=where)
            upright = (height, width) if turn in _SIDEWAYS else (width, height)
            target = size_within((width, height), limits.most_pixels)
            image.draft(None, target)
            room.check((width, height), decoding_bytes(image, (width, height)))
            image.load()
            pixels = seen(image, target)
            # Beside it there will be copies of `pixels`.
            image.close()
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


@dataclass(frozen=True, slots=True)
class _Room:
    """What there is of memory for a picture of the format `name`."""

    limits: PictureLimits
    name: str
    where: str
    quick_bytes: int | None

    def check(self, size: Size, needed_bytes: int) -> None:
        """Raises PayloadTooLarge and NotQuick where the picture takes more."""
        _check_size(size, limits=self.limits, where=self.where)
        there_bytes = self.limits.most_decoding_bytes
        if needed_bytes > there_bytes:
            raise PayloadTooLarge(
                f"{named(self.where)} has {size[0]}x{size[1]} pixels, which as {self.name} take "
                f"{format_bytes(needed_bytes)} to be read; {format_bytes(there_bytes)} are there "
                "for it.",
                hint="Scale it down, or save it as PNG or as a plain JPEG, which take less.",
                details={"param": self.where} if self.where else None,
            )
        if self.quick_bytes is not None and needed_bytes > self.quick_bytes:
            raise NotQuick


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
    if isinstance(problem, UnidentifiedImageError):
        return "it begins like one, and what follows is none"
    said = str(problem).strip().rstrip(".")
    printable = said and said.isprintable() and "<" not in said and len(said) <= 100
    return said if printable else type(problem).__name__
