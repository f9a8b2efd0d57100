"""The engine for speech: several sounds at once, each a piece further in its turn."""

import gc
import importlib
from collections import deque
from dataclasses import dataclass, field

import mlx.core as mx

from mlx_gui.core.errors import MlxGuiError, WorkerFailed
from mlx_gui.core.exhaustion import says_out_of_memory
from mlx_gui.core.generation import (
    Delta,
    Event,
    Failed,
    Prepared,
    Result,
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
from mlx_gui.engines.resident import give_back_cache, memory_use
from mlx_gui.engines.sound.feed import SoundFeed
from mlx_gui.engines.sound.opening import open_sound
from mlx_gui.engines.transcription.hearing import Heard, Listening, Needs, Recogniser, Times
from mlx_gui.engines.transcription.loading import load
from mlx_gui.engines.transcription.transcript import TranscriptWriter
from mlx_gui.kinds.transcription import TranscribeRequest

_IMPORTED_BY_LOADS = ("mlx_audio.stt.models.whisper", "transformers.models.whisper")
_WAIT_S = 0.05
"""So long a step waits for sound that is being decoded, before messages are looked at again."""


def create() -> Engine:
    """An engine without a model yet."""
    return TranscriptionEngine()


def warm() -> None:
    """Import what a load would, beyond what this module has imported already."""
    for name in _IMPORTED_BY_LOADS:
        importlib.import_module(name)


@dataclass(slots=True)
class _Running:
    """A sound that is listened to. `needs` is what of it must be there to go on."""

    feed: SoundFeed
    listening: Listening
    transcript: TranscriptWriter
    times: Times
    needs: Needs | None = None
    token_count: int = 0

    def ready(self, *, timeout_s: float = 0.0) -> bool:
        """Whether it can go on."""
        needs = self.needs
        return needs is None or self.feed.wait_for(needs.start, needs.count, timeout_s=timeout_s)

    def usage(self) -> Usage:
        return Usage(
            0,
            self.token_count,
            prefill_ms=self.times.reading_ms,
            decode_ms=self.times.writing_ms,
            audio_ms=self.feed.sound.duration_s * 1000,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `prepare` hands over."""

    request: TranscribeRequest
    feed: SoundFeed


@dataclass(slots=True)
class TranscriptionEngine:
    """See `engines.base.Engine`."""

    _spec: LoadSpec | None = None
    _recogniser: Recogniser | None = None
    _running: dict[str, _Running] = field(default_factory=dict[str, _Running])
    _turns: deque[str] = field(default_factory=deque[str])
    _load_peak_bytes: int = 0

    def load(self, spec: LoadSpec, report: LoadReport) -> Loaded:
        self._recogniser = load(spec, report)
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
        if not isinstance(request, TranscribeRequest):
            raise cannot_answer(self._loaded())
        asked = self._model().check(request)
        still_wanted()
        feed = open_sound(request.sound, longest_s=request.longest_s)
        told = Prepared(0, audio_s=feed.sound.promised_s)
        return PreparedRequest(request_id, _Asked(asked, feed), told)

    def admit(self, prepared: PreparedRequest) -> None:
        asked: _Asked = prepared.payload
        times = Times()
        self._running[prepared.request_id] = _Running(
            asked.feed,
            self._model().listen(asked.request, asked.feed, times),
            TranscriptWriter(words=asked.request.words),
            times,
        )
        self._turns.append(prepared.request_id)

    def step(self) -> list[StepEvents]:
        request_id = self._next()
        if request_id is None:
            return []
        running = self._running[request_id]
        try:
            events = self._advance(request_id, running)
        except MlxGuiError as error:
            events = self._end(request_id, Failed(error.info()))
        except MODEL_ERRORS as error:
            if says_out_of_memory(str(error)):
                # Only a new process has all memory again, and room for what others need.
                raise
            failure = WorkerFailed(
                f"The model failed while it listened: {error}", hint="Send the request again."
            )
            events = self._end(request_id, Failed(failure.info()))
        return [StepEvents(request_id, tuple(events))] if events else []

    def cancel(self, request_id: str) -> list[StepEvents]:
        running = self._running.get(request_id)
        if running is None:
            return []
        return [StepEvents(request_id, tuple(self._end(request_id, running.usage())))]

    def busy(self) -> bool:
        return bool(self._running)

    def credits(self) -> int:
        return self._loaded().options.slots

    def reclaim(self, wanted_bytes: int) -> int:
        return give_back_cache()

    def memory(self) -> MemoryUse:
        return memory_use(load_peak_bytes=self._load_peak_bytes)

    def close(self) -> None:
        for request_id in list(self._running):
            self._end(request_id)
        self._recogniser = None
        gc.collect()
        mx.clear_cache()

    def _loaded(self) -> LoadSpec:
        assert self._spec is not None, "load comes first"
        return self._spec

    def _model(self) -> Recogniser:
        assert self._recogniser is not None, "load comes first"
        return self._recogniser

    def _next(self) -> str | None:
        """Whose turn it is: the first in the row whose sound is there."""
        for _ in range(len(self._turns)):
            self._turns.rotate(-1)
            if self._running[self._turns[-1]].ready():
                return self._turns[-1]
        if self._turns and self._running[self._turns[0]].ready(timeout_s=_WAIT_S):
            self._turns.rotate(-1)
            return self._turns[-1]
        return None

    def _advance(self, request_id: str, running: _Running) -> list[Event]:
        """One piece of work for it, and what came of that."""
        running.needs = None
        try:
            step = next(running.listening)
        except StopIteration as ended:
            duration_s = running.feed.sound.duration_s
            transcript = running.transcript.transcript(ended.value, duration_s)
            return self._end(request_id, Result(0, transcript.packed()), running.usage())
        match step:
            case Needs():
                running.needs = step
            case Heard():
                running.token_count += step.token_count
                text = running.transcript.add(step)
                return [Delta(0, text, token_count=step.token_count, until_s=step.until_s)]
            case None:
                pass
        return []

    def _end(self, request_id: str, *events: Event) -> list[Event]:
        """Nothing more is heard of it; `events` are the last."""
        running = self._running.pop(request_id)
        self._turns.remove(request_id)
        running.listening.close()
        running.feed.close()
        # What MLX keeps for windows that nobody sends.
        mx.clear_cache()
        return list(events)
