"""How much the chunks of a xorb unpack to, seen before they are unpacked.

A chunk is eight bytes, then what it holds: a version, its packed length in three bytes, how it is
packed, and its unpacked length in three bytes, all with the low byte first.
"""

import sys
import threading

from mlx_gui.core.errors import HubAnswer
from mlx_gui.fetch.asking import Misfit

_HEADER_BYTES = 8


class Chunks:
    """Counts over all parts of an errand, which come at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0
        self.most_bytes = sys.maxsize

    def of_one_part(self) -> "Part":
        return Part(self)

    def add(self, count: int) -> None:
        """Raises Misfit when it is more than there can be."""
        with self._lock:
            self._bytes += count
            if self._bytes > self.most_bytes:
                raise Misfit(
                    HubAnswer(
                        "The hub's Xet store gives a file that unpacks to more than was asked for.",
                        hint="Try again later; something between here and the store may change "
                        "what it says.",
                    )
                )


class Part:
    """The chunks of one answer, as its bytes go by."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._header = bytearray()
        self._skip = 0

    def see(self, data: bytes) -> None:
        """Raises Misfit."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            found = data[at : at + _HEADER_BYTES - len(self._header)]
            self._header += found
            at += len(found)
            if len(self._header) == _HEADER_BYTES:
                self._skip = int.from_bytes(self._header[1:4], "little")
                self._chunks.add(int.from_bytes(self._header[5:8], "little"))
                self._header.clear()
