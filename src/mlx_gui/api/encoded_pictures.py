"""Pictures as JSON carries them: base64, by itself or in a data URL."""

import binascii
from urllib.parse import unquote

from mlx_gui.core.errors import InvalidRequest, PayloadTooLarge, UnsupportedMedia
from mlx_gui.core.picture_formats import HEAD_BYTES, TAKEN, picture_format

_WHITESPACE = str.maketrans("", "", " \t\r\n")
_SHOWN_CHARACTERS = 60
_UNTYPED = ("", "application/octet-stream")


def inside_data_url(url: str, *, where: str) -> str:
    """The base64 in a data URL of a picture, `+`, `/` and `=` of which may be escaped.

    Raises InvalidRequest for another encoding, UnsupportedMedia for what says that it is another
    type.
    """
    head, comma, inside = url[5:].partition(",")
    type_, *parameters = [each.strip().lower() for each in head[:1000].split(";")]
    if not comma or "base64" not in parameters:
        raise InvalidRequest(
            f"`{where}` is a data URL that is not in base64.",
            hint="A picture is written data:image/png;base64,…",
            param=where,
        )
    if type_ not in _UNTYPED and not type_.startswith("image/"):
        raise UnsupportedMedia(
            f"`{where}` is a data URL of the type {type_[:_SHOWN_CHARACTERS]!r}, not of a picture.",
            hint=f"Send {TAKEN}.",
            details={"param": where},
        )
    # What was put into an address stands in it as addresses have it.
    return unquote(inside) if "%" in inside else inside


def decoded(text: str, *, where: str, most_bytes: int) -> bytes:
    """The bytes of base64; lines in it may be broken. Raises InvalidRequest, PayloadTooLarge."""
    if len(text) // 4 * 3 > most_bytes + 3:
        raise too_large(len(text) // 4 * 3, where=where, most_bytes=most_bytes)
    try:
        return binascii.a2b_base64(text.translate(_WHITESPACE).encode("ascii"), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        reason = (
            "it has letters that are none of base64"
            if isinstance(error, UnicodeEncodeError)
            else str(error).lower()
        )
        raise InvalidRequest(
            f"`{where}` is not valid base64: {reason}.",
            hint="Encode the whole file, with the letters A-Z, a-z, 0-9, + and /, and = at its "
            "end.",
            param=where,
        ) from None


def checked_picture(data: bytes, *, where: str) -> None:
    """Raises InvalidRequest for nothing at all, UnsupportedMedia for what begins as no picture."""
    check_not_empty(data, where=where)
    found = picture_format(data[:HEAD_BYTES])
    if not found.codec:
        raise UnsupportedMedia(
            f"`{where}` is no picture that can be read: it is {found.name}.",
            hint=f"Send {TAKEN}.",
            details={"param": where},
        )


def check_not_empty(data: bytes, *, where: str) -> None:
    """Raises InvalidRequest for a file without anything in it."""
    if not data:
        raise InvalidRequest(
            f"`{where}` is empty.",
            hint="Look whether the file was read before it was sent.",
            param=where,
        )


def too_large(size_bytes: int, *, where: str, most_bytes: int) -> PayloadTooLarge:
    """The refusal of a picture's file."""
    return PayloadTooLarge(
        f"`{where}` has {size_bytes} bytes; this server takes {most_bytes} of a picture.",
        hint="Raise max_picture_bytes, or send it smaller.",
        details={"param": where},
    )
