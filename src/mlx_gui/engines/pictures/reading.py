"""Reads pictures in a process of its own, which can be ended.

What a file says of itself is no promise: a JPEG of 150 kB keeps its decoder busy for a minute, an
AVIF of 2 kB that says it has 100x100 pixels takes 300 MB. Where the file is made to harm, this
process ends, and the worker goes on.
"""

import time
from dataclasses import dataclass

import msgspec
from PIL import Image

from mlx_gui.core.blob import Content, size_of
from mlx_gui.core.errors import ErrorInfo, PayloadTooLarge, from_info
from mlx_gui.engines.apart import FAILED, ApartProcess, Ended, TooMuch
from mlx_gui.engines.base import StillWanted, always_wanted
from mlx_gui.engines.pictures.decoding import NotQuick
from mlx_gui.engines.pictures.picture import Picture, PictureLimits, Size, named
from mlx_gui.kinds.vision_memory import PATIENT_READER_BYTES

MAX_S = 10.0
"""Of one picture."""


@dataclass(frozen=True, slots=True)
class Quick:
    """What a picture may take that is read at once: in time, and in memory to be decoded."""

    most_s: float
    most_bytes: int


class AskedPicture(msgspec.Struct, frozen=True):
    """What the process is asked."""

    content: Content
    limits: PictureLimits
    where: str
    quick_bytes: int | None = None


class ReadPicture(msgspec.Struct, frozen=True, tag="read"):
    """What it answers; `pixels` are three bytes each, row by row."""

    size: Size
    original_size: Size
    digest: bytes
    pixels: bytes


class PutOff(msgspec.Struct, frozen=True, tag="put-off"):
    """What it answers of a picture that takes more memory than `quick_bytes`."""


class PictureReader:
    """Has one process, from the first picture on; for one thread."""

    def __init__(self, *, max_s: float = MAX_S, memory_bytes: int = PATIENT_READER_BYTES) -> None:
        self._max_s = max_s
        self._memory_bytes = memory_bytes
        self._apart: ApartProcess | None = None

    def decode(
        self,
        content: Content,
        *,
        limits: PictureLimits,
        where: str = "",
        still_wanted: StillWanted = always_wanted,
        quick: Quick | None = None,
    ) -> Picture:
        """As `decoding.py:decode`, whatever the file does to its decoder.

        Raises PayloadTooLarge also for what takes too long or too much memory; what `still_wanted`
        raises meanwhile; WorkerFailed where no process can be started; NotQuick for what takes more
        than it may to be `quick`.
        """
        max_s = self._max_s if quick is None else min(quick.most_s, self._max_s)
        quick_bytes = None if quick is None else quick.most_bytes
        asked = msgspec.msgpack.encode(AskedPicture(content, limits, where, quick_bytes))
        try:
            try:
                kind, answer = self._ask(asked, max_s, still_wanted)
            except Ended:
                # Somebody else may have been the reason; a second time it is the picture.
                kind, answer = self._ask(asked, max_s, still_wanted)
        except TooMuch as problem:
            if quick is not None and not isinstance(problem, Ended):
                raise NotQuick from problem
            raise _too_heavy(size_of(content), str(problem), where=where) from problem
        if kind == FAILED:
            raise from_info(msgspec.msgpack.decode(answer, type=ErrorInfo))
        read = msgspec.msgpack.decode(answer, type=ReadPicture | PutOff)
        if isinstance(read, PutOff):
            raise NotQuick
        image = Image.frombytes("RGB", read.size, read.pixels)
        return Picture(image, read.digest, read.original_size)

    def _ask(self, asked: bytes, max_s: float, still_wanted: StillWanted) -> tuple[bytes, bytes]:
        if self._apart is not None and not self._apart.usable():
            # The system may have ended it while it had nothing to do.
            self.close()
        if self._apart is None:
            self._apart = ApartProcess.start("pictures", memory_bytes=self._memory_bytes)
        try:
            until_s = time.monotonic() + max_s
            return self._apart.ask(asked, until_s=until_s, look=still_wanted)
        finally:
            if not self._apart.usable():
                self.close()

    def close(self) -> None:
        """End the process; the next picture has a new one."""
        if self._apart is not None:
            self._apart.end()
            self._apart = None


def _too_heavy(size_bytes: int, reason: str, *, where: str) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"{named(where)} ({size_bytes} bytes) cannot be read: {reason}.",
        hint="Scale it down, or save it again as PNG or as a plain JPEG.",
        details={"param": where} if where else None,
    )
