"""Bytes that a request brings beside its words: sound, pictures, files.

What is small travels inside the request; what is larger lies in a file, and the request says where.
"""

from io import BytesIO
from typing import BinaryIO

import msgspec

from mlx_gui.core.errors import Cancelled

INLINE_BYTES = 256 * 1024
"""As much travels inside the request."""


class Blob(msgspec.Struct, frozen=True, tag="blob"):
    """A file of the control plane, which is there until the request that brought it has ended.

    Engines open it while they prepare the request: later it may have been cancelled, and be gone.
    """

    path: str
    size_bytes: int


Content = bytes | Blob


def size_of(content: Content) -> int:
    """How many bytes it has."""
    return content.size_bytes if isinstance(content, Blob) else len(content)


def open_content(content: Content) -> BinaryIO:
    """All of it, to be read. Raises Cancelled where its request has ended meanwhile."""
    if isinstance(content, bytes):
        return BytesIO(content)
    try:
        return open(content.path, "rb")
    except FileNotFoundError:
        raise Cancelled("The request has ended, and what it brought is gone.") from None
