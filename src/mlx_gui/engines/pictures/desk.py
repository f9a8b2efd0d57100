"""Where the pictures of requests are read: those that take much wait, and let others pass."""

import time
from collections.abc import Iterator, Sequence
from functools import partial

from mlx_gui.core.generation import ImagePart
from mlx_gui.engines.base import StillWanted, TakesLong, always_wanted
from mlx_gui.engines.pictures.decoding import NotQuick
from mlx_gui.engines.pictures.picture import QUICK_DECODING_BYTES, Picture, PictureLimits
from mlx_gui.engines.pictures.reading import MAX_S, PictureReader, Quick
from mlx_gui.engines.read_aside import ReadAside
from mlx_gui.kinds.vision_memory import PATIENT_READER_BYTES, QUICK_READER_BYTES

QUICK_S = 1.0
"""Of all pictures of one request; most take a few milliseconds."""
_LEAST_S = 0.05


class PictureDesk:
    """Has two readers: one for the thread of preparation, one for what takes longer there."""

    def __init__(self, *, quick_s: float = QUICK_S, most_s: float = MAX_S) -> None:
        self._quick_s = quick_s
        self._quick = PictureReader(max_s=most_s, memory_bytes=QUICK_READER_BYTES)
        self._patient = PictureReader(max_s=most_s, memory_bytes=PATIENT_READER_BYTES)
        self._read_aside = ReadAside[list[Picture]]()

    def read(
        self,
        parts: Sequence[ImagePart],
        *,
        most_pixels: int | None = None,
        still_wanted: StillWanted = always_wanted,
    ) -> Iterator[Picture]:
        """The pictures of a request one by one, of `most_pixels` each.

        Raises as `PictureReader.decode` does, and TakesLong where they take long or much memory.
        """
        known = self._read_aside.take(parts)
        if known is not None:
            yield from known
            return
        until_s = time.monotonic() + self._quick_s
        for part in parts:
            left_s = max(until_s - time.monotonic(), _LEAST_S)
            quick = Quick(left_s, QUICK_DECODING_BYTES)
            try:
                picture = _decoded(self._quick, part, most_pixels, still_wanted, quick=quick)
            except NotQuick:
                raise TakesLong(partial(self._read_all, parts, most_pixels)) from None
            yield picture

    def close(self) -> None:
        self._quick.close()
        self._patient.close()

    def _read_all(
        self, parts: Sequence[ImagePart], most_pixels: int | None, still_wanted: StillWanted
    ) -> None:
        """For the other thread; they are there when the same request asks again."""
        read = [_decoded(self._patient, part, most_pixels, still_wanted) for part in parts]
        self._read_aside.keep(parts, read)


def _decoded(
    reader: PictureReader,
    part: ImagePart,
    most_pixels: int | None,
    still_wanted: StillWanted,
    *,
    quick: Quick | None = None,
) -> Picture:
    pixels = part.most_pixels if most_pixels is None else min(part.most_pixels, most_pixels)
    return reader.decode(
        part.data,
        limits=PictureLimits(most_pixels=pixels),
        where=part.where,
        still_wanted=still_wanted,
        quick=quick,
    )
