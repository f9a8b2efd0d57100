"""What a file that should be a picture is, by how it begins; what it is called says nothing."""

from dataclasses import dataclass

HEAD_BYTES = 512
"""As much of a file tells what it is."""


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """A kind of file, `name` as people call it; `codec` is the one that reads it.

    Empty where none does: then the name is that of something else.
    """

    name: str
    codec: str = ""


HEIF = "HEIF"
"""The codec that is there with the extra `heic` alone."""
TAKEN = "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"

_MAGICS = (
    (b"\x89PNG\r\n\x1a\n", PictureFormat("PNG", "PNG")),
    (b"\xff\xd8\xff", PictureFormat("JPEG", "JPEG")),
    (b"GIF87a", PictureFormat("GIF", "GIF")),
    (b"GIF89a", PictureFormat("GIF", "GIF")),
    (b"BM", PictureFormat("BMP", "BMP")),
    (b"II*\0", PictureFormat("TIFF", "TIFF")),
    (b"MM\0*", PictureFormat("TIFF", "TIFF")),
    (b"II+\0", PictureFormat("TIFF", "TIFF")),
    (b"MM\0+", PictureFormat("TIFF", "TIFF")),
    (b"%PDF", PictureFormat("a PDF document")),
    (b"%!PS", PictureFormat("a PostScript document")),
    (b"8BPS", PictureFormat("a Photoshop document")),
    (b"\0\0\x01\0", PictureFormat("an icon (ICO)")),
    (b"\xff\x0a", PictureFormat("a JPEG XL picture")),
    (b"\0\0\0\x0cJXL ", PictureFormat("a JPEG XL picture")),
    (b"\0\0\0\x0cjP  ", PictureFormat("a JPEG 2000 picture")),
    (b"\xff\x4f\xff\x51", PictureFormat("a JPEG 2000 picture")),
    (b"qoif", PictureFormat("a QOI picture")),
    (b"PK\x03\x04", PictureFormat("a ZIP archive")),
    (b"\x1f\x8b", PictureFormat("a gzip archive")),
    (b"\x7fELF", PictureFormat("a program")),
    (b"\x1a\x45\xdf\xa3", PictureFormat("a WebM or Matroska video")),
    (b"OggS", PictureFormat("an Ogg file")),
    (b"ID3", PictureFormat("MP3 sound")),
    (b"fLaC", PictureFormat("FLAC sound")),
)
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF = frozenset({b"avif", b"avis"})
_TEXT_BYTES = frozenset(range(0x20, 0x100)) - {0x7F} | frozenset(b"\t\n\r\f\b\x1b")


def picture_format(head: bytes) -> PictureFormat:
    """The format of a file that begins with `head`, its first `HEAD_BYTES`."""
    if head[:4] == b"RIFF":
        known = {b"WEBP": PictureFormat("WebP", "WEBP"), b"WAVE": PictureFormat("WAV sound")}
        return known.get(head[8:12], PictureFormat("a RIFF file that is no picture"))
    if head[4:8] == b"ftyp":
        return _boxes(head)
    for magic, found in _MAGICS:
        if head.startswith(magic):
            return found
    return _text(head)


def _boxes(head: bytes) -> PictureFormat:
    """A file of boxes says in the first one what it is and what it is compatible with."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, length, 4))}
    if brands & _AVIF:
        return PictureFormat("AVIF", "AVIF")
    if brands & _HEIF:
        return PictureFormat("HEIC", HEIF)
    return PictureFormat("an MP4 or MOV video")


def _text(head: bytes) -> PictureFormat:
    said = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    start = said[:HEAD_BYTES].lower()
    if b"<svg" in start:
        return PictureFormat("an SVG drawing")
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return PictureFormat("an HTML page")
    if start.startswith(b"<"):
        return PictureFormat("an XML or HTML document")
    if start.startswith((b"{", b"[")):
        return PictureFormat("JSON")
    if said and _TEXT_BYTES.issuperset(said):
        return PictureFormat("text")
    return PictureFormat("no known kind of file")
