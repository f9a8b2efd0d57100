"""The engine for text models, on mlx-lm's batch generator."""

import gc
import time
from dataclasses import dataclass
from functools import partial
from typing import cast

import mlx.core as mx
import psutil

from mlx_gui.core.errors import WorkerFailed
from mlx_gui.core.generation import (
    Detokenized,
    DetokenizeRequest,
    Failed,
    FinishReason,
    GenerateRequest,
    GenerationEvent,
    Tokenized,
    TokenizeRequest,
    Usage,
)
from mlx_gui.core.model import LoadSpec, MemoryUse
from mlx_gui.engines.base import Engine, LoadReport, PreparedRequest, StepEvents
from mlx_gui.engines.device import LIMITS, backend
from mlx_gui.engines.text.caches import new_cache
from mlx_gui.engines.text.detokenizing import Decode
from mlx_gui.engines.text.library import BatchGenerator, StopSequences
from mlx_gui.engines.text.loading import LoadedModel, load
from mlx_gui.engines.text.prompt import Preparation, Prompt
from mlx_gui.engines.text.sampling import greedy, make_sampler
from mlx_gui.engines.text.sequence import TextSequence

# What Python code of a model file may raise; an error inside MLX is a RuntimeError.
_MODEL_ERRORS = (
    ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def create() -> Engine:
    """An engine without a model yet."""
    return TextEngine()


@dataclass(slots=True)
class _Resident:
    """All that is there exactly while a model is."""

    spec: LoadSpec
    loaded: LoadedModel
    preparation: Preparation
    decode: Decode
    end_tokens: StopSequences
    generator: BatchGenerator


class TextEngine:
    """See `engines.base.Engine`, in whose terms it works.

    Sequences join and leave the batch between steps. Keys of `_running` are the generator's.
    """

    def __init__(self) -> None:
        self._resident: _Resident | None = None
        self._running: dict[int, TextSequence] = {}

    def load(self, spec: LoadSpec, report: LoadReport) -> None:
        loaded = load(spec, report)
        self._resident = _Resident(
            spec=spec,
            loaded=loaded,
            preparation=Preparation(loaded, spec),
            decode=partial(
                loaded.tokenizer.decode,
                skip_special_tokens=True,
                clean_up_tokenization_spaces=False,
            ),
            end_tokens=StopSequences([(token,) for token in loaded.tokenizer.eos_token_ids]),
            generator=_generator(loaded, spec),
        )

    def prepare(self, request_id: str, request: GenerateRequest) -> PreparedRequest:
        return self._model().preparation.prepare(request_id, request)

    def tokenize(self, request: TokenizeRequest) -> Tokenized:
        return self._model().preparation.tokenize(request)

    def detokenize(self, request: DetokenizeRequest) -> Detokenized:
        return self._model().preparation.detokenize(request)

    def admit(self, prepared: PreparedRequest) -> None:
        resident = self._model()
        prompt: Prompt = prepared.payload
        (uid,) = resident.generator.insert(
            [list(prompt.ids)],
            [prompt.max_tokens],
            caches=[new_cache(resident.loaded.model)],
            samplers=[make_sampler(prompt.choice)],
            stop_sequences=[resident.end_tokens],
        )
        self._running[uid] = TextSequence(prepared, resident.decode)

    def step(self) -> list[StepEvents]:
        if not self._running:
            return []
        began_s = time.monotonic()
        resident = self._model()
        try:
            prompts, tokens = resident.generator.next()
        except _MODEL_ERRORS as error:
            return self._fail_all(error)
        events: dict[int, list[GenerationEvent]] = {}
        for response in prompts:
            sequence = self._running[response.uid]
            done_tokens, _ = response.progress
            events.setdefault(response.uid, []).append(sequence.prefilled(done_tokens, began_s))
        for response in tokens:
            sequence = self._running[response.uid]
            finish = cast(FinishReason | None, response.finish_reason)
            told = sequence.token(response.token, finish)
            events.setdefault(response.uid, []).extend(told)
        stepped = [
            StepEvents(self._running[uid].request_id, tuple(told))
            for uid, told in events.items()
            if told
        ]
        self._drop([uid for uid, told in events.items() if told and isinstance(told[-1], Usage)])
        return stepped

    def cancel(self, request_id: str) -> list[StepEvents]:
        for uid, sequence in self._running.items():
            if sequence.request_id == request_id:
                self._drop([uid])
                return [StepEvents(request_id, tuple(sequence.cancelled()))]
        return []

    def busy(self) -> bool:
        return bool(self._running)

    def credits(self) -> int:
        return self._model().spec.slots

    def serial_because(self) -> str | None:
        return None

    def context(self) -> int:
        return self._model().spec.context

    def reclaim(self, wanted_bytes: int) -> int:
        before_bytes = mx.get_cache_memory()
        mx.clear_cache()
        return before_bytes - mx.get_cache_memory()

    def memory(self) -> MemoryUse:
        return MemoryUse(
            active_bytes=mx.get_active_memory(),
            cache_bytes=mx.get_cache_memory(),
            peak_bytes=mx.get_peak_memory(),
            rss_bytes=psutil.Process().memory_info().rss,
        )

    def close(self) -> None:
        if self._resident is not None:
            self._resident.generator.close()
        self._running.clear()
        self._resident = None
        gc.collect()
        mx.clear_cache()

    def _model(self) -> _Resident:
        assert self._resident is not None, "load comes first"
        return self._resident

    def _drop(self, uids: list[int]) -> None:
        if uids:
            self._model().generator.remove(uids)
        for uid in uids:
            del self._running[uid]

    def _fail_all(self, error: Exception) -> list[StepEvents]:
        """The rows of a batch are computed as one: all have failed, and a new batch begins."""
        failure = WorkerFailed(
            f"The model failed while it generated: {error}", hint="Send the request again."
        )
        failed = [
            StepEvents(sequence.request_id, (Failed(failure.info()),))
            for sequence in self._running.values()
        ]
        self._running.clear()
        resident = self._model()
        resident.generator.close()
        resident.generator = _generator(resident.loaded, resident.spec)
        mx.clear_cache()
        return failed


def _generator(loaded: LoadedModel, spec: LoadSpec) -> BatchGenerator:
    return BatchGenerator(
        loaded.model,
        sampler=greedy,
        completion_batch_size=spec.slots,
        prefill_batch_size=1,
        prefill_step_size=LIMITS[backend()].prefill_tokens,
        # The stream of this thread: the generator's own belongs to the thread that imported it.
        stream=mx.default_stream(mx.default_device()),
    )
