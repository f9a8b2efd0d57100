"""What the engines of encoders have in common: of requests batches, and of their rows events."""

import gc
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_gui.core.device import LIMITS
from mlx_gui.core.errors import WorkerFailed
from mlx_gui.core.exhaustion import says_out_of_memory
from mlx_gui.core.generation import Event, Failed, Prepared, Usage, WorkerRequest
from mlx_gui.core.model import Loaded, LoadSpec, MemoryUse
from mlx_gui.engines.base import (
    MODEL_ERRORS,
    LoadReport,
    PreparedRequest,
    StepEvents,
    StillWanted,
    always_wanted,
)
from mlx_gui.engines.device import backend
from mlx_gui.engines.encoder.answers import Answer
from mlx_gui.engines.encoder.batches import Batches, Item
from mlx_gui.engines.encoder.loading import Encoder
from mlx_gui.engines.encoder.long_requests import LongRequests
from mlx_gui.engines.resident import give_back_cache, memory_use
from mlx_gui.kinds.memory import MLX_CACHE_BYTES


@dataclass(slots=True)
class Asked:
    """A request as tokens. `left` inputs were not read yet, `cuts` says what of them was left out.

    `tokens` are those of all inputs together.
    """

    items: Sequence[Item]
    answer: Answer
    cuts: Sequence[str] = ()
    left: int = field(init=False)
    tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = len(self.items)
        self.tokens = sum(map(len, self.items))


@dataclass(frozen=True, slots=True)
class Rows:
    """One batch as MLX reads it. Texts begin at the first place and are padded behind.

    `mask` is 1 where there is a token, `lengths` how many of them a row has.
    """

    ids: mx.array
    mask: mx.array
    lengths: mx.array
    types: mx.array | None


class EncoderEngine(ABC):
    """See `engines.base.Engine`, in whose terms it works. A step reads one batch."""

    def __init__(self) -> None:
        self._spec: LoadSpec | None = None
        self._encoder: Encoder | None = None
        self._long = LongRequests(self.asked)
        self._running: dict[str, Asked] = {}
        self._batches = Batches(LIMITS[backend()].encoder_tokens)
        self._load_peak_bytes = 0

    @abstractmethod
    def read_model(self, spec: LoadSpec, report: LoadReport) -> Encoder:
        """The model of `spec`."""

    @abstractmethod
    def asked(self, request: WorkerRequest, still_wanted: StillWanted) -> Asked:
        """The request as tokens. Raises InvalidRequest and its kin; runs without MLX.

        Two threads may read a request each at the same time.
        """

    @abstractmethod
    def compute(self, rows: Rows) -> mx.array:
        """A row of numbers for each row of tokens."""

    def load(self, spec: LoadSpec, report: LoadReport) -> Loaded:
        self._encoder = self.read_model(spec, report)
        self._spec = spec
        self._load_peak_bytes = mx.get_peak_memory()
        mx.clear_cache()
        mx.reset_peak_memory()
        return Loaded()

    def prepare(
        self,
        request_id: str,
        request: WorkerRequest,
        still_wanted: StillWanted = always_wanted,
    ) -> PreparedRequest | tuple[Event, ...]:
        asked = self._long.read(request, still_wanted)
        told = Prepared(asked.tokens, left_out=tuple(asked.cuts))
        return PreparedRequest(request_id, asked, told)

    def admit(self, prepared: PreparedRequest) -> None:
        asked: Asked = prepared.payload
        self._running[prepared.request_id] = asked
        self._batches.add(prepared.request_id, asked.items)
        asked.items = ()

    def step(self) -> list[StepEvents]:
        batch = self._batches.next()
        if not batch:
            return []
        try:
            computed = self.compute(self._rows([item for _, item in batch])).astype(mx.float32)
            # Evaluated here, so that what goes wrong in MLX goes wrong inside of this guard.
            numbers = np.array(computed)
        except MODEL_ERRORS as error:
            if says_out_of_memory(str(error)):
                raise
            return self._failed({request_id for request_id, _ in batch}, error)
        finally:
            if mx.get_cache_memory() > MLX_CACHE_BYTES:
                mx.clear_cache()
        told: dict[str, list[Event]] = {}
        for (request_id, item), row in zip(batch, numbers, strict=True):
            asked = self._running.get(request_id)
            if asked is None:
                # It has failed with a row before this one.
                continue
            events = told.setdefault(request_id, [])
            if not np.isfinite(row).all():
                # JSON has no word for such numbers, and whoever compares them learns nothing.
                events.append(Failed(_no_numbers(item.index).info()))
                self._forget(request_id)
                continue
            events += asked.answer.take(item.index, row)
            asked.left -= 1
            if not asked.left:
                del self._running[request_id]
                events.append(Usage(asked.tokens, 0))
        return [
            StepEvents(request_id, tuple(events)) for request_id, events in told.items() if events
        ]

    def cancel(self, request_id: str) -> list[StepEvents]:
        asked = self._running.pop(request_id, None)
        self._batches.remove(request_id)
        return [] if asked is None else [StepEvents(request_id, (Usage(asked.tokens, 0),))]

    def busy(self) -> bool:
        return bool(self._running)

    def credits(self) -> int:
        return self.spec.options.slots

    def reclaim(self, wanted_bytes: int) -> int:
        return give_back_cache()

    def memory(self) -> MemoryUse:
        return memory_use(load_peak_bytes=self._load_peak_bytes)

    def close(self) -> None:
        self._running.clear()
        self._encoder = None
        gc.collect()
        mx.clear_cache()

    @property
    def spec(self) -> LoadSpec:
        assert self._spec is not None, "load comes first"
        return self._spec

    @property
    def encoder(self) -> Encoder:
        assert self._encoder is not None, "load comes first"
        return self._encoder

    def _rows(self, items: Sequence[Item]) -> Rows:
        longest = max(map(len, items))
        ids = np.full((len(items), longest), self.encoder.padding_id, dtype=np.int32)
        mask = np.zeros((len(items), longest), dtype=np.int32)
        types = np.zeros((len(items), longest), dtype=np.int32)
        for row, item in enumerate(items):
            ids[row, : len(item)] = item.ids
            mask[row, : len(item)] = 1
            if item.types is not None:
                types[row, : len(item)] = item.types
        lengths: Any = mask.sum(axis=1, dtype=np.int32)
        told = self.encoder.type_count > 1 and any(item.types is not None for item in items)
        return Rows(
            mx.array(ids),
            mx.array(mask),
            mx.array(lengths),
            mx.array(np.minimum(types, self.encoder.type_count - 1)) if told else None,
        )

    def _failed(self, request_ids: set[str], error: Exception) -> list[StepEvents]:
        """The rows of a batch are computed as one: all that had inputs in it have failed."""
        failure = WorkerFailed(
            f"The model failed while it read: {error}", hint="Send the request again."
        )
        for request_id in request_ids:
            self._forget(request_id)
        mx.clear_cache()
        return [StepEvents(each, (Failed(failure.info()),)) for each in sorted(request_ids)]

    def _forget(self, request_id: str) -> None:
        del self._running[request_id]
        self._batches.remove(request_id)


def _no_numbers(index: int) -> WorkerFailed:
    return WorkerFailed(
        f"The model made no numbers of input {index}, but NaN or infinity.",
        hint="Its weights may be damaged, or wider than the type they are held in: install the "
        "model again, or another conversion of it.",
    )
