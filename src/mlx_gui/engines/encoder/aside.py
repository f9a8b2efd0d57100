"""Requests with so much to read that others pass meanwhile."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from mlx_gui.core.generation import WorkerRequest
from mlx_gui.engines.base import StillWanted, TakesLong
from mlx_gui.kinds.embedding import EmbedRequest
from mlx_gui.kinds.reranker import RerankRequest

MANY_CHARACTERS = 100_000
"""About a tenth of a second's work for the tokenizer."""
_MOST_READ = 4
"""Requests that are kept until they are prepared anew; who is cancelled leaves his."""

Read = TypeVar("Read")


class Aside(Generic[Read]):
    """Reads requests by `read`: long ones on another thread, each once."""

    def __init__(self, read: Callable[[WorkerRequest, StillWanted], Read]) -> None:
        self._read_one = read
        self._lock = threading.Lock()
        self._read: list[tuple[WorkerRequest, Read]] = []

    def read(self, request: WorkerRequest, still_wanted: StillWanted) -> Read:
        """What `request` is, read now or before. Raises as `read` does, and TakesLong."""
        if characters(request) <= MANY_CHARACTERS:
            return self._read_one(request, still_wanted)
        with self._lock:
            for place, (asked, read) in enumerate(self._read):
                # This very request: what is only alike is somebody else's.
                if asked is request:
                    del self._read[place]
                    return read
        raise TakesLong(partial(self._keep, request))

    def _keep(self, request: WorkerRequest, still_wanted: StillWanted) -> None:
        read = self._read_one(request, still_wanted)
        with self._lock:
            self._read = [*self._read, (request, read)][-_MOST_READ:]


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
