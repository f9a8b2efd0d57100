"""The fake engine: scripted answers without any model, behind the same protocol as real ones.

Deterministic apart from its delays. A token is a word with the space before it. How it behaves
comes from the model's name (`fake/echo`, `fake/slow`, `fake/slow-load`, `fake/broken`,
`fake/crash`) and, for one request, from its last user message if that is a JSON object with the
key `fake`:

    {"fake": {"text": "one two three", "repeat": 10, "delay_ms": 5, "fail_after": 3,
              "crash_after": 3, "hang_after": 3}}
"""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from mlx_gui.core.errors import ContextTooLong, InvalidRequest, LoadFailed, WorkerFailed
from mlx_gui.core.generation import (
    Delta,
    Done,
    Failed,
    FinishReason,
    GenerateRequest,
    GenerationEvent,
    Prefill,
    Usage,
)
from mlx_gui.core.model import LoadSpec, MemoryUse
from mlx_gui.engines.base import Engine, LoadReport, PreparedRequest, StepEvents
from mlx_gui.engines.text.stops import StopText

_LOAD_STEPS = 20
_WEIGHTS_BYTES = 50_000_000


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request asks of the fake engine. Counts are of tokens, None means never."""

    text: str | None = None
    repeat: int = 1
    delay_ms: float = 0
    fail_after: int | None = None
    crash_after: int | None = None
    hang_after: int | None = None


class _Envelope(msgspec.Struct):
    fake: Script


_MODEL_SCRIPTS: Mapping[str, Script] = {
    "slow": Script(repeat=100, delay_ms=50),
    "crash": Script(repeat=10, crash_after=3),
}


@dataclass(slots=True)
class _Sequence:
    prepared: PreparedRequest
    script: Script
    tokens: list[str]
    stops: StopText
    limit_tokens: int
    done_tokens: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def usage(self) -> Usage:
        elapsed_ms = (time.monotonic() - self.began_s) * 1000
        return Usage(self.prepared.prompt_tokens, self.done_tokens, decode_ms=elapsed_ms)


class FakeEngine:
    """See the module. Each step advances every sequence by one token."""

    def __init__(self) -> None:
        self._sequences: dict[str, _Sequence] = {}
        self._script = Script()
        self._spec: LoadSpec | None = None

    def load(self, spec: LoadSpec, report: LoadReport) -> None:
        name = spec.model_id.rpartition("/")[2]
        if name == "broken":
            raise LoadFailed(
                f"Loading {spec.model_id} failed: its weights are broken.",
                hint="This fake model always fails to load.",
            )
        self._script = _MODEL_SCRIPTS.get(name, Script())
        for done in range(_LOAD_STEPS + 1):
            report("weights", _WEIGHTS_BYTES * done // _LOAD_STEPS, _WEIGHTS_BYTES)
            if name == "slow-load":
                time.sleep(0.1)
        self._spec = spec

    def prepare(self, request_id: str, request: GenerateRequest) -> PreparedRequest:
        if not request.messages:
            raise InvalidRequest("There are no messages.", hint="Send at least one message.")
        prompt_tokens = sum(len(message.text().split()) + 1 for message in request.messages)
        if prompt_tokens >= self.context():
            raise ContextTooLong(
                f"The prompt has {prompt_tokens} tokens, the context holds {self.context()}.",
                hint="Shorten the conversation.",
            )
        last = next((m.text() for m in reversed(request.messages) if m.role == "user"), "")
        script = _read_script(last) or self._script
        text = script.text if script.text is not None else f"You said: {last}"
        tokens = _words(" ".join([text] * script.repeat))
        return PreparedRequest(request_id, request, prompt_tokens, (script, tokens))

    def admit(self, prepared: PreparedRequest) -> None:
        script, tokens = prepared.payload
        room = self.context() - prepared.prompt_tokens
        self._sequences[prepared.request_id] = _Sequence(
            prepared,
            script,
            tokens,
            StopText(prepared.request.stop),
            min(prepared.request.max_tokens or room, room),
        )

    def step(self) -> list[StepEvents]:
        delay_ms = max((s.script.delay_ms for s in self._sequences.values()), default=0)
        if delay_ms:
            time.sleep(delay_ms / 1000)
        return [
            StepEvents(request_id, tuple(self._advance(sequence)))
            for request_id, sequence in list(self._sequences.items())
        ]

    def cancel(self, request_id: str) -> list[StepEvents]:
        sequence = self._sequences.pop(request_id, None)
        if sequence is None:
            return []
        return [StepEvents(request_id, (Done(0, "cancelled"), sequence.usage()))]

    def busy(self) -> bool:
        return bool(self._sequences)

    def credits(self) -> int:
        return self._loaded().slots

    def context(self) -> int:
        return self._loaded().context

    def reclaim(self, wanted_bytes: int) -> int:
        return 0

    def memory(self) -> MemoryUse:
        return MemoryUse(_WEIGHTS_BYTES, 0, _WEIGHTS_BYTES, _WEIGHTS_BYTES)

    def close(self) -> None:
        self._sequences.clear()

    def _loaded(self) -> LoadSpec:
        assert self._spec is not None, "load comes first"
        return self._spec

    def _advance(self, sequence: _Sequence) -> list[GenerationEvent]:
        done, script = sequence.done_tokens, sequence.script
        if script.crash_after == done:
            os.kill(os.getpid(), signal.SIGKILL)
        if script.hang_after == done:
            os.kill(os.getpid(), signal.SIGSTOP)
        if script.fail_after == done:
            error = WorkerFailed("The script says that this request fails here.")
            return self._end(sequence, [Failed(error.info())])
        events: list[GenerationEvent] = []
        if done == 0:
            total = sequence.prepared.prompt_tokens
            events.append(Prefill(total, total))
        if done == len(sequence.tokens):
            return self._finish(sequence, events, "stop")
        text, stopped = sequence.stops.feed(sequence.tokens[done])
        sequence.done_tokens += 1
        if text:
            events.append(Delta(0, text))
        if stopped:
            sequence.stops.flush()
            return self._finish(sequence, events, "stop")
        if sequence.done_tokens >= sequence.limit_tokens:
            return self._finish(sequence, events, "length")
        return events

    def _finish(
        self, sequence: _Sequence, events: list[GenerationEvent], reason: FinishReason
    ) -> list[GenerationEvent]:
        if rest := sequence.stops.flush():
            events.append(Delta(0, rest, token_count=0))
        return self._end(sequence, [*events, Done(0, reason), sequence.usage()])

    def _end(self, sequence: _Sequence, events: list[GenerationEvent]) -> list[GenerationEvent]:
        del self._sequences[sequence.prepared.request_id]
        return events


def create() -> Engine:
    """A fake engine that has nothing loaded yet."""
    return FakeEngine()


def _read_script(text: str) -> Script | None:
    if not text.startswith("{"):
        return None
    try:
        return msgspec.json.decode(text, type=_Envelope).fake
    except msgspec.MsgspecError:
        return None


def _words(text: str) -> list[str]:
    """`text` cut before each space, so that joining gives it back."""
    words: list[str] = []
    for word in text.split(" "):
        words.append(word if not words else " " + word)
    return words
