"""A process that reads pictures, one after the other, and knows no model."""

import socket

import msgspec

from mlx_gui.core.errors import MlxGuiError
from mlx_gui.engines.apart import ANSWER, FAILED, serve_apart
from mlx_gui.engines.pictures.decoding import NotQuick, decode
from mlx_gui.engines.pictures.reading import AskedPicture, PutOff, ReadPicture
from mlx_gui.kinds.vision_memory import PATIENT_READER_BYTES
from mlx_gui.worker.process import limit_memory


def serve_pictures(channel: socket.socket) -> int:
    """Read what comes until the worker is gone; returns the exit code."""
    # Within it an allocation fails, and says so; where no system holds us to it, the worker looks.
    limit_memory(PATIENT_READER_BYTES)
    return serve_apart(channel, _read)


def _read(content: bytes) -> tuple[bytes, bytes]:
    asked = msgspec.msgpack.decode(content, type=AskedPicture)
    try:
        picture = decode(
            asked.content, limits=asked.limits, where=asked.where, quick_bytes=asked.quick_bytes
        )
    except NotQuick:
        return ANSWER, msgspec.msgpack.encode(PutOff())
    except MlxGuiError as refusal:
        return FAILED, msgspec.msgpack.encode(refusal.info())
    read = ReadPicture(picture.size, picture.original_size, picture.digest, picture.image.tobytes())
    return ANSWER, msgspec.msgpack.encode(read)
