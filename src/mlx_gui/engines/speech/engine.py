"""The engine for models that speak: several texts at once, each a frame further in its turn."""

import gc
import importlib
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import mlx.core as mx

from mlx_gui.core.errors import InvalidRequest, MlxGuiError, WorkerFailed
from mlx_gui.core.exhaustion import says_out_of_memory
from mlx_gui.core.generation import Audio, Event, Failed, Prepared, Usage, WorkerRequest
from mlx_gui.core.model import Loaded, LoadSpec, MemoryUse
from mlx_gui.core.sound_format import check_format
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
from mlx_gui.engines.speech.loading import leave_codecs_out, load
from mlx_gui.engines.speech.speaking import Speaker, Speaking, Times
from mlx_gui.engines.speech.track import Track
from mlx_gui.kinds.speech import SpeakRequest

_IMPORTED_BY_LOADS = ("mlx_audio.tts.utils", "mlx_audio.tts.models.pocket_tts")
_AHEAD = 32
"""So many pieces of a request may wait to be encoded."""
_WAIT_S = 0.05
"""So long a step waits for what is being encoded, before messages are looked at again."""
_FIRST_S = 0.02
"""So long the first pieces of a request are waited for."""


def create() -> Engine:
    """An engine without a model yet."""
    return SpeechEngine()


def warm() -> None:
    """Import what a load would, beyond what this module has imported already."""
    leave_codecs_out()
    for name in _IMPORTED_BY_LOADS:
        importlib.import_module(name)


@dataclass(slots=True)
class _Running:
    """A text that is spoken. `speaking` is None once all is said, and only the encoder works."""

    speaking: Speaking | None
    track: Track
    times: Times
    encoded: deque[Future[bytes]] = field(default_factory=deque[Future[bytes]])
    read_tokens: int = 0
    made_tokens: int = 0
    told: bool = False
    """Whether any sound has been sent."""

    def ready(self) -> bool:
        """Whether more can be said."""
        return self.speaking is not None and len(self.encoded) < _AHEAD

    def taken(self) -> bytes:
        """What has been encoded. Raises what the encoder raises."""
        data: list[bytes] = []
        while self.encoded and self.encoded[0].done():
            data.append(self.encoded.popleft().result())
        return b"".join(data)

    def usage(self) -> Usage:
        return Usage(
            self.read_tokens,
            self.made_tokens,
            prefill_ms=self.times.reading_ms,
            decode_ms=self.times.speaking_ms,
            audio_ms=self.track.duration_ms,
        )


@dataclass(slots=True)
class SpeechEngine:
    """See `engines.base.Engine`. A thread of its own makes bytes of samples."""

    _spec: LoadSpec | None = None
    _speaker: Speaker | None = None
    _running: dict[str, _Running] = field(default_factory=dict[str, _Running])
    _turns: deque[str] = field(default_factory=deque[str])
    _encoder: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="encode")
    )
    _load_peak_bytes: int = 0

    def load(self, spec: LoadSpec, report: LoadReport) -> Loaded:
        self._speaker = load(spec, report)
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
        if not isinstance(request, SpeakRequest):
            raise cannot_answer(self._loaded())
        if not request.text.strip():
            raise InvalidRequest(
                "There is nothing to say.", hint="Send a text with words in it.", param="input"
            )
        check_format(request.format)
        still_wanted()
        return PreparedRequest(request_id, self._model().check(request), Prepared(0))

    def admit(self, prepared: PreparedRequest) -> None:
        asked: SpeakRequest = prepared.payload
        model, times = self._model(), Times()
        self._running[prepared.request_id] = _Running(
            model.speak(asked, times),
            Track(asked.format, rate_hz=model.rate_hz, speed=asked.speed),
            times,
        )
        self._turns.append(prepared.request_id)

    def step(self) -> list[StepEvents]:
        speaks = self._next()
        if speaks is None and self._running:
            heads = [each.encoded[0] for each in self._running.values()]
            wait(heads, timeout=_WAIT_S, return_when=FIRST_COMPLETED)
        told: list[StepEvents] = []
        for each in list(self._running):
            if events := self._advance(each, speaks=each == speaks):
                told.append(StepEvents(each, tuple(events)))
        return told

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
        self._encoder.shutdown(cancel_futures=True)
        self._speaker = None
        gc.collect()
        mx.clear_cache()

    def _loaded(self) -> LoadSpec:
        assert self._spec is not None, "load comes first"
        return self._spec

    def _model(self) -> Speaker:
        assert self._speaker is not None, "load comes first"
        return self._speaker

    def _next(self) -> str | None:
        """Whose turn it is to say more: the first in the row that can."""
        for _ in range(len(self._turns)):
            self._turns.rotate(-1)
            if self._running[self._turns[-1]].ready():
                return self._turns[-1]
        return None

    def _advance(self, request_id: str, *, speaks: bool) -> list[Event]:
        """What has come of a request; one that `speaks` says its next piece before."""
        running = self._running[request_id]
        try:
            if speaks:
                self._speak(running)
            data = running.taken()
        except MlxGuiError as error:
            return self._end(request_id, Failed(error.info()))
        except MODEL_ERRORS as error:
            if says_out_of_memory(str(error)):
                # Only a new process has all memory again, and room for what others need.
                raise
            failure = WorkerFailed(
                f"The model failed while it spoke: {error}", hint="Send the request again."
            )
            return self._end(request_id, Failed(failure.info()))
        events: list[Event] = [Audio(0, data)] if data else []
        running.told = running.told or bool(data)
        if running.speaking is None and not running.encoded:
            events += self._end(request_id, running.usage())
        return events

    def _speak(self, running: _Running) -> None:
        assert running.speaking is not None, "it is ready"
        try:
            spoken = next(running.speaking)
        except StopIteration:
            running.speaking = None
            running.encoded.append(self._encoder.submit(running.track.end))
            return
        if spoken is None:
            return
        running.read_tokens += spoken.read_tokens
        running.made_tokens += spoken.made_tokens
        running.encoded.append(self._encoder.submit(running.track.add, spoken.samples))
        if not running.told:
            # Else the first sound would come with the second.
            wait(running.encoded, timeout=_FIRST_S)

    def _end(self, request_id: str, *events: Event) -> list[Event]:
        """Nothing more is said of it; `events` are the last."""
        running = self._running.pop(request_id)
        self._turns.remove(request_id)
        if running.speaking is not None:
            running.speaking.close()
        for piece in running.encoded:
            piece.cancel()
        if not self._running:
            # What MLX keeps for texts that nobody sends.
            mx.clear_cache()
        return list(events)
