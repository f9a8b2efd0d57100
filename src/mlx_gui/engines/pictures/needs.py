"""What it takes to decode a picture, by what its file says before anything is decoded."""

from typing import Any

from PIL import Image

from mlx_gui.engines.pictures.picture import Size

_BY_CODEC = {"WEBP": 17, "AVIF": 15, "HEIF": 12}
"""Bytes of a pixel with what the codec keeps of it, for those that make a picture in one go."""
_GREY = ("1", "L", "P")
_JPEGS = ("JPEG", "MPO")
_COEFFICIENT_BYTES = 2
_TIFF_STRIPS = 2
"""A strip of a TIFF, which may be all of it, is there beside the pixels."""


def webp_size(head: bytes) -> Size | None:
    """What a WebP that begins with `head` says of its size; None where that makes no sense.

    Its decoder has room for all pixels as soon as it is opened.
    """
    content = head[20:30]
    if len(content) < 10:
        return None
    match head[12:16]:
        case b"VP8X":
            across, down = (int.from_bytes(content[at : at + 3], "little") for at in (4, 7))
            return across + 1, down + 1
        case b"VP8L":
            bits = int.from_bytes(content[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            across, down = (int.from_bytes(content[at : at + 2], "little") for at in (6, 8))
            return across & 0x3FFF, down & 0x3FFF
        case _:
            return None


def webp_bytes(size: Size) -> int:
    """What `decoding_bytes` says of a WebP of this size."""
    return size[0] * size[1] * _BY_CODEC["WEBP"]


def decoding_bytes(image: Image.Image, file_size: Size) -> int:
    """Of memory, for `image` as it is set to be decoded; the file has pixels of `file_size`.

    Measured for each format at its largest; a file that is made to harm may take more.
    """
    width, height = image.size
    of_codec = _BY_CODEC.get(image.format or "")
    if of_codec is not None:
        return width * height * of_codec
    needed = width * height * _pixel_bytes(image.mode)
    if image.format == "TIFF":
        return needed * _TIFF_STRIPS
    if image.format in _JPEGS and image.info.get("progressive"):
        # All of them are there before the first pixel is.
        needed += int(file_size[0] * file_size[1] * _coefficients(image) * _COEFFICIENT_BYTES)
    return needed


def _pixel_bytes(mode: str) -> int:
    if mode in _GREY:
        return 1
    return 2 if mode.startswith("I;16") else 4


def _coefficients(image: Any) -> float:
    """Of a JPEG, for each pixel: fewer of colours that are stored with less detail."""
    sampled = [(across, down) for _, across, down, _ in image.layer]
    densest = max(across * down for across, down in sampled)
    return sum(across * down for across, down in sampled) / densest
