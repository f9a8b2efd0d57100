"""Vectors of texts for every family: gathered as they come, and written without being copied whole.

Ten thousand of them are a hundred megabytes of JSON: they are written as they are sent.
"""

import asyncio
import struct
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from itertools import islice

import msgspec
from fastapi import Response
from fastapi.responses import StreamingResponse

from mlx_gui.api.answers import broken_off
from mlx_gui.core.errors import from_info
from mlx_gui.core.generation import Event, Failed, Result, Usage

_AT_ONCE = 32
"""Vectors that are written before others have their turn."""


class Vectors:
    """Gathers the vectors of `count` inputs."""

    def __init__(self, count: int) -> None:
        self._vectors: list[bytes] = [b""] * count
        self._missing = count
        self.usage = Usage(0, 0)
        self._complete = False

    def feed(self, event: Event) -> None:
        """Take the next event. Raises what a Failed carries."""
        match event:
            case Result(index=index, value=vector):
                self._vectors[index] = vector
                self._missing -= 1
            case Usage():
                self.usage = event
                self._complete = True
            case Failed(error=info):
                raise from_info(info)
            case _:
                pass

    def complete(self) -> None:
        """Nothing is to come, as where nothing was asked."""
        self._complete = True

    def in_order(self) -> list[bytes]:
        """Packed floats for each input. Raises WorkerFailed when some are missing."""
        if not self._complete or self._missing:
            raise broken_off()
        return self._vectors


def floats(vector: bytes) -> list[float]:
    """The numbers of a packed vector."""
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))


def written(
    before: bytes, vectors: Sequence[bytes], each: Callable[[int, bytes], object], *, after: bytes
) -> Response:
    """JSON: `before`, what `each` makes of every vector and its number with commas, `after`."""
    pieces = _pieces(before, vectors, each, after=after)
    if len(vectors) <= _AT_ONCE:
        return Response(b"".join(pieces), media_type="application/json")
    return StreamingResponse(_in_turns(pieces), media_type="application/json")


def _pieces(
    before: bytes, vectors: Sequence[bytes], each: Callable[[int, bytes], object], *, after: bytes
) -> Iterator[bytes]:
    yield before
    for number, vector in enumerate(vectors):
        if number:
            yield b","
        yield msgspec.json.encode(each(number, vector))
    yield after


async def _in_turns(pieces: Iterator[bytes]) -> AsyncGenerator[bytes]:
    while together := list(islice(pieces, 2 * _AT_ONCE)):
        yield b"".join(together)
        await asyncio.sleep(0)
