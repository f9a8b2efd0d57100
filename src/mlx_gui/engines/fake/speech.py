"""The fake engine of speech: each word of a text is a tone of a tenth of a second.

The tones of the voice anna are high, those of bert low. How it behaves comes from the model's name,
as in `engines.fake.text`, and for one request from a script before its text
(`engines.fake.scripts`).
"""

import math
import time
from dataclasses import dataclass, field

import numpy as np

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Audio, Event, Prepared, Usage, WorkerRequest
from mlx_gui.core.model import Loaded, LoadSpec, MemoryUse
from mlx_gui.core.sound_format import check_format
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
from mlx_gui.engines.fake.scripts import WordScript, read_word_script
from mlx_gui.engines.speech.track import Track
from mlx_gui.kinds.speech import SpeakRequest

RATE_HZ = 24_000
WORD_S = 0.1
TONES_HZ = {"anna": 440.0, "bert": 220.0}


@dataclass(slots=True)
class _Running:
    words: int
    voice: str
    script: WordScript
    track: Track
    said_words: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def usage(self) -> Usage:
        return Usage(
            self.words,
            self.said_words,
            decode_ms=(time.monotonic() - self.began_s) * 1000,
            audio_ms=self.track.duration_ms,
        )


class FakeSpeaker:
    """See the module. Each step says one word of every request."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._spec: LoadSpec | None = None
        self._memory = SCRIPTED_MEMORY

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
        if not isinstance(request, SpeakRequest):
            raise cannot_answer(self._loaded())
        check_format(request.format)
        script, text = read_word_script(request.text)
        words, voice = len(text.split()), request.voice or "anna"
        if not words or voice not in TONES_HZ:
            raise InvalidRequest("There is no such voice, or nothing to say.", param="voice")
        time.sleep(script.prepare_ms / 1000)
        still_wanted()
        track = Track(request.format, rate_hz=RATE_HZ, speed=request.speed)
        return PreparedRequest(request_id, _Running(words, voice, script, track), Prepared(words))

    def admit(self, prepared: PreparedRequest) -> None:
        self._running[prepared.request_id] = prepared.payload

    def step(self) -> list[StepEvents]:
        time.sleep(max((each.script.delay_ms for each in self._running.values()), default=0) / 1000)
        return [
            StepEvents(request_id, tuple(events))
            for request_id, running in list(self._running.items())
            if (events := self._advance(request_id, running))
        ]

    def cancel(self, request_id: str) -> list[StepEvents]:
        running = self._running.pop(request_id, None)
        return [] if running is None else [StepEvents(request_id, (running.usage(),))]

    def busy(self) -> bool:
        return bool(self._running)

    def credits(self) -> int:
        return self._loaded().options.slots

    def reclaim(self, wanted_bytes: int) -> int:
        return 0

    def memory(self) -> MemoryUse:
        return self._memory

    def close(self) -> None:
        self._running.clear()

    def _loaded(self) -> LoadSpec:
        assert self._spec is not None, "load comes first"
        return self._spec

    def _advance(self, request_id: str, running: _Running) -> list[Event]:
        running.script.follow(running.said_words)
        times = np.arange(round(WORD_S * RATE_HZ)) / RATE_HZ
        tone = 0.5 * np.sin(2 * math.pi * TONES_HZ[running.voice] * times)
        data = running.track.add(tone.astype(np.float32))
        running.said_words += 1
        ended = running.said_words == running.words
        if ended:
            del self._running[request_id]
            data += running.track.end()
        events: list[Event] = [Audio(0, data)] if data else []
        return [*events, running.usage()] if ended else events


def create() -> Engine:
    """A fake engine that has nothing loaded yet."""
    return FakeSpeaker()


def warm() -> None:
    """Its loads import nothing."""
