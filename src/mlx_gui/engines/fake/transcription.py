"""The fake engine of transcriptions: its text says what it was sent.

Of sound of 9 bytes it hears "9 bytes with the digest 2a97516c354b", each word for an equal part of
the time, which is counted as of 16,000 samples a second of 16 bits. How it behaves comes from the
model's name, as in `engines.fake.text`, and for one request from a script in its prompt
(`engines.fake.scripts`).
"""

import hashlib
import time
from dataclasses import dataclass, field

from mlx_gui.core.blob import open_content
from mlx_gui.core.generation import (
    Delta,
    Event,
    Prepared,
    Result,
    Usage,
    WorkerRequest,
)
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
from mlx_gui.engines.fake.scripts import WordScript, read_word_script
from mlx_gui.kinds.transcription import HeardSegment, HeardWord, TranscribeRequest, Transcript

_BYTES_PER_S = 32_000
_READ_BYTES = 1024 * 1024
_SEGMENT_WORDS = 4


@dataclass(slots=True)
class _Running:
    transcript: Transcript
    script: WordScript
    told_words: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def usage(self) -> Usage:
        return Usage(
            0,
            self.told_words,
            decode_ms=(time.monotonic() - self.began_s) * 1000,
            audio_ms=self.transcript.duration_s * 1000,
        )


class FakeTranscriber:
    """See the module. Each step hears one word of every request."""

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
        if not isinstance(request, TranscribeRequest):
            raise cannot_answer(self._loaded())
        script, _ = read_word_script(request.prompt)
        time.sleep(script.prepare_ms / 1000)
        running = _Running(_heard(request, still_wanted), script)
        told = Prepared(0, audio_s=running.transcript.duration_s)
        return PreparedRequest(request_id, running, told)

    def admit(self, prepared: PreparedRequest) -> None:
        self._running[prepared.request_id] = prepared.payload

    def step(self) -> list[StepEvents]:
        time.sleep(max((each.script.delay_ms for each in self._running.values()), default=0) / 1000)
        return [
            StepEvents(request_id, tuple(self._advance(request_id, running)))
            for request_id, running in list(self._running.items())
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
        running.script.follow(running.told_words)
        words = running.transcript.text.split()
        word = words[running.told_words]
        space = " " if running.told_words else ""
        running.told_words += 1
        until_s = running.transcript.duration_s * running.told_words / len(words)
        events: list[Event] = [Delta(0, space + word, until_s=until_s)]
        if running.told_words == len(words):
            del self._running[request_id]
            events += [Result(0, running.transcript.packed()), running.usage()]
        return events


def create() -> Engine:
    """A fake engine that has nothing loaded yet."""
    return FakeTranscriber()


def warm() -> None:
    """Its loads import nothing."""


def _heard(request: TranscribeRequest, still_wanted: StillWanted) -> Transcript:
    """The transcript of the sound, all of which is read. Raises as `still_wanted` does."""
    digest, size = hashlib.sha256(), 0
    with open_content(request.sound) as sound:
        while piece := sound.read(_READ_BYTES):
            still_wanted()
            digest.update(piece)
            size += len(piece)
    words = f"{size} bytes with the digest {digest.hexdigest()[:12]}".split()
    duration_s = size / _BYTES_PER_S
    times_s = [round(duration_s * number / len(words), 3) for number in range(len(words) + 1)]
    heard = [
        HeardWord(word, start_s, end_s)
        for word, start_s, end_s in zip(words, times_s, times_s[1:], strict=False)
    ]
    cuts = [heard[at : at + _SEGMENT_WORDS] for at in range(0, len(heard), _SEGMENT_WORDS)]
    return Transcript(
        text=" ".join(words),
        language=request.language or "en",
        duration_s=duration_s,
        segments=tuple(
            HeardSegment(" ".join(word.text for word in cut), cut[0].start_s, cut[-1].end_s)
            for cut in cuts
        ),
        words=tuple(heard) if request.words else (),
    )
