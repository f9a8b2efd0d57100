"""The fake engine for embeddings: vectors that follow from the words of a text alone.

A token is a word. Texts that share words have vectors that are alike. One input of each request is
answered in a step.
"""

import math
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlx_gui.core.errors import ContextTooLong, InvalidRequest
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
from mlx_gui.engines.encoder.prompts import prompt_text
from mlx_gui.engines.fake.loading import SCRIPTED_MEMORY, scripted_load
from mlx_gui.kinds.embedding import EmbeddingOptions, EmbedRequest


@dataclass(slots=True)
class _Asked:
    """`done` of the texts have been answered."""

    texts: list[list[str]]
    dimensions: int
    done: int = field(default=0)

    def usage(self) -> Usage:
        return Usage(sum(map(len, self.texts)), 0)


class FakeEmbeddingEngine:
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
        options = self._options()
        if not isinstance(request, EmbedRequest):
            raise cannot_answer(self._loaded())
        before = prompt_text(
            options.prompts,
            name=request.prompt,
            purpose=request.purpose,
            default=options.default_prompt,
        )
        cuts = ["input_type"] if before is None else []
        texts = [_words(each, before or "") for each in request.inputs]
        truncate = options.truncate if request.truncate is None else request.truncate
        for number, words in enumerate(texts):
            if len(words) > options.longest_tokens and truncate:
                cuts.append(f"{len(words) - options.longest_tokens} tokens of input {number}")
                del words[options.longest_tokens :]
            elif len(words) > options.longest_tokens:
                raise ContextTooLong(
                    f"Input {number} has {len(words)} tokens, the model reads "
                    f"{options.longest_tokens}.",
                    hint="Cut the text into shorter ones.",
                    param="input",
                )
        dimensions = request.dimensions or options.dimensions
        if dimensions > options.dimensions:
            raise InvalidRequest(
                f"{self._loaded().model_id} makes vectors of {options.dimensions} dimensions, "
                f"not {dimensions}.",
                hint="Ask for fewer, or leave `dimensions` out.",
                param="dimensions",
            )
        still_wanted()
        asked = _Asked(texts, dimensions)
        told = Prepared(sum(map(len, texts)), left_out=tuple(cuts))
        return PreparedRequest(request_id, asked, told)

    def admit(self, prepared: PreparedRequest) -> None:
        self._running[prepared.request_id] = prepared.payload

    def step(self) -> list[StepEvents]:
        stepped: list[StepEvents] = []
        for request_id, asked in list(self._running.items()):
            vector = _vector(asked.texts[asked.done], asked.dimensions)
            events: list[Event] = [Result(asked.done, vector)]
            asked.done += 1
            if asked.done == len(asked.texts):
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

    def _options(self) -> EmbeddingOptions:
        options = self._loaded().options
        assert isinstance(options, EmbeddingOptions), "its kind has planned the load"
        return options


def create() -> Engine:
    """A fake engine that has nothing loaded yet."""
    return FakeEmbeddingEngine()


def warm() -> None:
    """Its loads import nothing."""


def _words(given: str | tuple[int, ...], before: str) -> list[str]:
    return (before + given).split() if isinstance(given, str) else [f"word-{id}" for id in given]


def _vector(words: Sequence[str], dimensions: int) -> bytes:
    """The sum of what each word has by itself, of length 1, packed."""
    total = [0.0] * dimensions
    for word in ("", *words):
        dice = random.Random(word)
        total = [value + dice.gauss(0, 1) for value in total]
    length = math.hypot(*total)
    return struct.pack(f"<{dimensions}f", *(value / length for value in total))
