"""The engine for models that write text, of prompts with whatever they read besides."""

import gc
import importlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import mlx.core as mx

from mlx_gui.core.device import LIMITS
from mlx_gui.core.errors import ErrorInfo, MlxGuiError, WorkerFailed
from mlx_gui.core.exhaustion import says_out_of_memory
from mlx_gui.core.generation import (
    DetokenizeRequest,
    Event,
    Failed,
    GenerateRequest,
    TokenizeRequest,
    Usage,
    WorkerRequest,
)
from mlx_gui.core.model import Loaded, LoadSpec, MemoryUse
from mlx_gui.engines.base import (
    MODEL_ERRORS,
    Engine,
    LoadReport,
    PreparedRequest,
    StepEvents,
    StillWanted,
    always_wanted,
    cannot_answer,
)
from mlx_gui.engines.device import backend
from mlx_gui.engines.resident import give_back_cache, memory_use
from mlx_gui.engines.text.answering import Answering, Surroundings
from mlx_gui.engines.text.batch import SMALLEST_ROW, BatchDecoder
from mlx_gui.engines.text.decoding import Decoder, Fed, Sampled
from mlx_gui.engines.text.loading import LoadedModel, load
from mlx_gui.engines.text.looking import Looking
from mlx_gui.engines.text.prefix_cache import PrefixCache
from mlx_gui.engines.text.prompt import Preparation
from mlx_gui.engines.text.serial import Draft, KVQuantization, SerialDecoder

# What the architectures of models and tokenizers have in common is imported with the first of them.
_IMPORTED_BY_LOADS = (
    "mlx_lm.models.llama",
    "transformers.models.llama.configuration_llama",
    "transformers.models.qwen2.tokenization_qwen2",
)


def create() -> Engine:
    """An engine for models of mlx-lm, without one yet."""
    return TextEngine(load)


def warm() -> None:
    """Import what a load would, beyond what this module has imported already."""
    for name in _IMPORTED_BY_LOADS:
        importlib.import_module(name)


@dataclass(slots=True)
class _Resident:
    """All that is there exactly while a model is."""

    spec: LoadSpec
    loaded: LoadedModel
    preparation: Preparation
    surroundings: Surroundings
    decoder: Decoder
    prefixes: PrefixCache
    looking: Looking


class TextEngine:
    """See `engines.base.Engine`, in whose terms it works. `loader` makes a model of a folder.

    A request is answered by `n` sequences of the decoder; `_running` finds it by the key of each.
    """

    def __init__(self, loader: Callable[[LoadSpec, LoadReport], LoadedModel]) -> None:
        self._loader = loader
        self._resident: _Resident | None = None
        self._answers: dict[str, Answering] = {}
        self._running: dict[int, Answering] = {}
        self._load_peak_bytes = 0

    def load(self, spec: LoadSpec, report: LoadReport) -> Loaded:
        loaded = self._loader(spec, report)
        prefixes = PrefixCache(spec.text.prefix_cache_bytes)
        self._resident = _Resident(
            spec=spec,
            loaded=loaded,
            preparation=Preparation(loaded, spec),
            surroundings=Surroundings.of(loaded),
            decoder=_decoder(loaded, spec),
            prefixes=prefixes,
            looking=Looking(loaded.tower, prefixes),
        )
        # From here on the counter is of what answers take.
        self._load_peak_bytes = mx.get_peak_memory()
        mx.clear_cache()
        mx.reset_peak_memory()
        return Loaded(loaded.serial_because)

    def prepare(
        self,
        request_id: str,
        request: WorkerRequest,
        still_wanted: StillWanted = always_wanted,
    ) -> PreparedRequest | tuple[Event, ...]:
        preparation = self._model().preparation
        match request:
            case GenerateRequest():
                return preparation.prepare(request_id, request, still_wanted)
            case TokenizeRequest():
                tokenized = preparation.tokenize(request, still_wanted)
                return tokenized, Usage(len(tokenized.ids), 0)
            case DetokenizeRequest():
                return preparation.detokenize(request), Usage(len(request.ids), 0)
            case _:
                raise cannot_answer(self._model().spec)

    def admit(self, prepared: PreparedRequest) -> None:
        resident = self._model()
        answering = Answering(prepared, resident.surroundings, resident.prefixes)
        self._answers[prepared.request_id] = answering
        with ExitStack() as otherwise:
            # What is raised answers the request: the engine must not be busy with it for ever.
            otherwise.callback(self._let_go, answering)
            self._start(answering)
            otherwise.pop_all()

    def step(self) -> list[StepEvents]:
        if not self._answers:
            return []
        if self._model().looking.is_next(others=bool(self._running)):
            return self._look()
        began_s = time.monotonic()
        try:
            fed, sampled = self._model().decoder.step()
        except MODEL_ERRORS as error:
            if says_out_of_memory(str(error)):
                # Only a new process has all memory again, and room for what others need.
                raise
            return self._fail_all(error)
        events: dict[str, list[Event]] = {}
        # An answer may begin in the step that completes its prompt.
        for each in fed:
            self._read(each, began_s, events)
        for each in sampled:
            self._take(each, events)
        return [StepEvents(request_id, tuple(told)) for request_id, told in events.items() if told]

    def cancel(self, request_id: str) -> list[StepEvents]:
        answering = self._answers.get(request_id)
        if answering is None:
            return []
        self._let_go(answering)
        return [StepEvents(request_id, tuple(answering.cancelled()))]

    def busy(self) -> bool:
        return bool(self._answers)

    def credits(self) -> int:
        resident = self._model()
        if resident.loaded.serial_because is not None:
            return 1
        return min(resident.spec.text.slots, _pool_tokens(resident.spec) // SMALLEST_ROW)

    def reclaim(self, wanted_bytes: int) -> int:
        freed_bytes = self._model().prefixes.reclaim(wanted_bytes)
        return freed_bytes + give_back_cache()

    def memory(self) -> MemoryUse:
        resident = self._resident
        return memory_use(
            load_peak_bytes=self._load_peak_bytes,
            kv_bytes=resident.decoder.bytes() if resident else 0,
            prefix_bytes=resident.prefixes.bytes if resident else 0,
        )

    def close(self) -> None:
        if self._resident is not None:
            self._resident.decoder.close()
        self._answers.clear()
        self._running.clear()
        self._resident = None
        gc.collect()
        mx.clear_cache()

    def _model(self) -> _Resident:
        assert self._resident is not None, "load comes first"
        return self._resident

    def _start(self, answering: Answering) -> None:
        """Hand over those sequences of `answering` that can be fed now.

        What it has not looked at comes first.
        """
        if answering.unseen is not None:
            self._model().looking.add(answering)
            return
        for index, feed in answering.feeds().items():
            (key,) = self._model().decoder.add([feed])
            answering.keys[key] = index
            self._running[key] = answering

    def _look(self) -> list[StepEvents]:
        """A part of a picture; a tower that fails has failed that request alone."""
        looking = self._model().looking
        answering = looking.next()
        began_s = time.monotonic()
        try:
            seen = looking.look()
        except MODEL_ERRORS as error:
            if says_out_of_memory(str(error)):
                raise
            self._let_go(answering)
            return [StepEvents(answering.request_id, (Failed(_failure(error)),))]
        answering.looked(began_s)
        if seen is not None:
            self._start(seen)
        return []

    def _read(self, fed: Fed, began_s: float, events: dict[str, list[Event]]) -> None:
        answering = self._running.get(fed.key)
        if answering is None:
            # Another sequence of the request has failed it in the same step.
            return
        told = events.setdefault(answering.request_id, [])
        told += answering.read(fed, began_s)
        if not fed.ended:
            self._start(answering)
            return
        if fed.state is not None:
            answering.keep(fed.key, fed.state)
        del self._running[fed.key], self._answers[answering.request_id]
        told.append(answering.usage())

    def _take(self, sampled: Sampled, events: dict[str, list[Event]]) -> None:
        answering = self._running.get(sampled.key)
        if answering is None:
            # Another sequence of the request has failed it in the same step.
            return
        told = events.setdefault(answering.request_id, [])
        if sampled.finish is not None:
            del self._running[sampled.key]
        try:
            told += answering.take(sampled)
        except MlxGuiError as error:
            self._let_go(answering)
            told.append(Failed(error.info()))
            return
        if answering.index_ended(sampled.key) and sampled.finish is None:
            self._remove(answering, [sampled.key])
        if answering.ended:
            del self._answers[answering.request_id]
            told.append(answering.usage())

    def _let_go(self, answering: Answering) -> None:
        """The request ends now, whatever of it is still decoded."""
        del self._answers[answering.request_id]
        self._model().looking.remove(answering)
        self._remove(answering, [key for key in answering.keys if key in self._running])

    def _remove(self, answering: Answering, keys: Sequence[int]) -> None:
        for key in keys:
            del self._running[key]
        for key, state in self._model().decoder.remove(keys).items():
            answering.keep(key, state)

    def _fail_all(self, error: Exception) -> list[StepEvents]:
        """The rows of a batch are computed as one: all have failed, and a new batch begins."""
        failed = [StepEvents(each, (Failed(_failure(error)),)) for each in self._answers]
        self._answers.clear()
        self._running.clear()
        resident = self._model()
        resident.looking = Looking(resident.loaded.tower, resident.prefixes)
        resident.decoder.close()
        resident.decoder = _decoder(resident.loaded, resident.spec)
        mx.clear_cache()
        return failed


def _failure(error: Exception) -> ErrorInfo:
    return WorkerFailed(
        f"The model failed while it generated: {error}", hint="Send the request again."
    ).info()


def _pool_tokens(spec: LoadSpec) -> int:
    return max(spec.text.kv_pool_tokens, spec.text.context)


def _decoder(loaded: LoadedModel, spec: LoadSpec) -> Decoder:
    limits = LIMITS[backend()]
    if loaded.serial_because is None:
        return BatchDecoder(
            loaded.network,
            slots=spec.text.slots,
            prefill_tokens=limits.prefill_tokens,
            crowd=limits.crowd,
            pool_tokens=_pool_tokens(spec),
        )
    bits = spec.text.kv_bits
    return SerialDecoder(
        loaded.network,
        prefill_tokens=limits.prefill_tokens,
        draft=Draft(loaded.draft, spec.text.draft_tokens) if loaded.draft else None,
        kv=KVQuantization(bits, loaded.kv_group_size) if bits else None,
    )
