"""The fake engine for reranking: a document's score is the share of the query's words it has.

One document of each request is answered in a step.
"""

import struct
from dataclasses import dataclass, field

from mlx_gui.core.errors import ContextTooLong
from mlx_gui.core.generation import Event, Prepared, Result, Usage, WorkerRequest
from mlx_gui.core.model import Loaded, LoadSpec, MemoryUse
from mlx_gui.engines.base import (
    Engine,
    LoadReport,
    PreparedRequest,
    StepEvents,
    StillWanted,
    always_wanted,
    cannot_answer,
)
from mlx_gui.engines.fake.loading import SCRIPTED_MEMORY, scripted_load
from mlx_gui.kinds.reranker import RerankerOptions, RerankRequest


@dataclass(slots=True)
class _Asked:
    """`done` of the scores have been told."""

    scores: list[float]
    tokens: int
    done: int = field(default=0)

    def usage(self) -> Usage:
        return Usage(self.tokens, 0)


class FakeReranker:
    """See `engines.base.Engine`, in whose terms it works."""

    def __init__(self) -> None:
        self._spec: LoadSpec | None = None
        self._memory = SCRIPTED_MEMORY
        self._running: dict[str, _Asked] = {}

    def load(self, spec: LoadSpec, report: LoadReport) -> Loaded:
        self._memory = scripted_load(spec, report)
        self._spec = spec
        return Loaded()

    def prepare(
        self,
        request_id: str,
        request: WorkerRequest,
        still_wanted: StillWanted = always_wanted,
    ) -> PreparedRequest | tuple[Event, ...]:
        if not isinstance(request, RerankRequest):
            raise cannot_answer(self._loaded())
        query = set(request.query.split())
        texts = [document.split() for document in request.documents]
        cuts = [] if request.instruction is None else ["instruction"]
        longest = self._options().longest_tokens - len(query)
        for number, words in enumerate(texts):
            if len(words) > longest and not request.truncate:
                raise ContextTooLong(
                    f"Document {number} has {len(words) + len(query)} tokens, the model reads "
                    f"{longest + len(query)}.",
                    param="documents",
                )
            if len(words) > longest:
                cuts.append(f"{len(words) - longest} tokens of documents {number}")
                del words[longest:]
        still_wanted()
        tokens = sum(len(query) + len(words) for words in texts)
        scores = [len(query & set(words)) / max(len(query), 1) for words in texts]
        told = Prepared(tokens, left_out=tuple(cuts))
        return PreparedRequest(request_id, _Asked(scores, tokens), told)

    def admit(self, prepared: PreparedRequest) -> None:
        self._running[prepared.request_id] = prepared.payload

    def step(self) -> list[StepEvents]:
        stepped: list[StepEvents] = []
        for request_id, asked in list(self._running.items()):
            score = struct.pack("<f", asked.scores[asked.done])
            events: list[Event] = [Result(asked.done, score)]
            asked.done += 1
            if asked.done == len(asked.scores):
                del self._running[request_id]
                events.append(asked.usage())
            stepped.append(StepEvents(request_id, tuple(events)))
        return stepped

    def cancel(self, request_id: str) -> list[StepEvents]:
        asked = self._running.pop(request_id, None)
        return [] if asked is None else [StepEvents(request_id, (asked.usage(),))]

    def busy(self) -> bool:
        return bool(self._running)

    def credits(self) -> int:
        return self._options().slots

    def reclaim(self, wanted_bytes: int) -> int:
        return 0

    def memory(self) -> MemoryUse:
        return self._memory

    def close(self) -> None:
        self._running.clear()

    def _loaded(self) -> LoadSpec:
        assert self._spec is not None, "load comes first"
        return self._spec

    def _options(self) -> RerankerOptions:
        options = self._loaded().options
        assert isinstance(options, RerankerOptions), "its kind has planned the load"
        return options


def create() -> Engine:
    """A fake engine that has nothing loaded yet."""
    return FakeReranker()


def warm() -> None:
    """Its loads import nothing."""
