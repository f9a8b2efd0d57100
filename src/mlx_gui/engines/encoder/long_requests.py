"""Requests with so much to read that others pass meanwhile."""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from mlx_gui.core.generation import WorkerRequest
from mlx_gui.engines.base import StillWanted, TakesLong
from mlx_gui.engines.read_aside import ReadAside
from mlx_gui.kinds.embedding import EmbedRequest
from mlx_gui.kinds.reranker import RerankRequest

MANY_CHARACTERS = 100_000
"""About a tenth of a second's work for the tokenizer."""

Read = TypeVar("Read")


class LongRequests(Generic[Read]):
    """Reads requests by `read`: long ones on another thread, each once."""

    def __init__(self, read: Callable[[WorkerRequest, StillWanted], Read]) -> None:
        self._read_one = read
        self._read_aside = ReadAside[Read]()

    def read(self, request: WorkerRequest, still_wanted: StillWanted) -> Read:
        """What `request` is, read now or before. Raises as `read` does, and TakesLong."""
        if characters(request) <= MANY_CHARACTERS:
            return self._read_one(request, still_wanted)
        read = self._read_aside.take((request,))
        if read is None:
            raise TakesLong(partial(self._keep, request))
        return read

    def _keep(self, request: WorkerRequest, still_wanted: StillWanted) -> None:
        self._read_aside.keep((request,), self._read_one(request, still_wanted))


def characters(request: WorkerRequest) -> int:
    """How much there is to read; token ids count as one each."""
    match request:
        case EmbedRequest():
            return sum(map(len, request.inputs))
        case RerankRequest():
            # The query is read with each of them.
            return sum(len(each) + len(request.query) for each in request.documents)
        case _:
            return 0
