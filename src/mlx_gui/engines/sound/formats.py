"""What a file is, by how it begins; what it is called says nothing certain."""

import string
from dataclasses import dataclass
from typing import Literal

HEAD_BYTES = 64
"""As much of a file tells what it is."""

Reader = Literal["soundfile", "system", "none"]
"""Who reads it: libsndfile; what the system has for that; nobody, because it is no sound."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file, `name` as people call it."""

    name: str
    reader: Reader


_UNKNOWN = Format("no known kind of file", "none")
_TEXT = Format("text", "none")
_PICTURES = ((b"\x89PNG", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"))
_OTHERS = (
    *_PICTURES,
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x7fELF", "a program"),
)
_SOUNDS = (
    (b"fLaC", Format("FLAC", "soundfile")),
    (b"OggS", Format("Ogg", "soundfile")),
    (b"caff", Format("CAF", "soundfile")),
    (b"ID3", Format("MP3", "soundfile")),
    (b".snd", Format("AU", "soundfile")),
    (b"\x1a\x45\xdf\xa3", Format("WebM or Matroska", "system")),
    (b"#!AMR", Format("AMR", "system")),
    (b"0&\xb2u\x8ef\xcf\x11", Format("WMA", "system")),
)
_PRINTABLE = frozenset(string.printable.encode())


def format_of(head: bytes) -> Format:
    """The format of a file that begins with `head`, its first `HEAD_BYTES`."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return Format("WAV", "soundfile")
    if head[:4] == b"RIFF":
        return Format("a RIFF file that is no WAV", "none")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Format("AIFF", "soundfile")
    if head[4:8] == b"ftyp":
        return _boxes(head)
    for magic, found in _SOUNDS:
        if head.startswith(magic):
            return found
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return Format(name, "none")
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # The two bits of the layer are zero in AAC alone.
        return Format("MP3", "soundfile") if head[1] & 0x06 else Format("AAC", "system")
    if head and _PRINTABLE.issuperset(head):
        return _TEXT
    return _UNKNOWN


def _boxes(head: bytes) -> Format:
    brand = head[8:12].strip(b"\0 ")
    if brand in (b"heic", b"heix", b"mif1", b"avif"):
        return Format("a HEIF picture", "none")
    return Format("M4A or MP4" if brand != b"qt" else "MOV", "system")
