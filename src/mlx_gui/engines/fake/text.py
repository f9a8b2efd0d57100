"""The fake engine for text: scripted answers without a model, behind the protocol of real ones.

Deterministic apart from its delays. A token is a word with the space before it. How it behaves
comes from the model's name (`fake/echo`, `fake/slow`, `fake/slow-load`, `fake/broken`,
`fake/crash`; `fake/vision` says how large pictures are and of which colour) and, for one request,
from a JSON object with the key `fake` in its last user message or its raw prompt:

    {"fake": {"text": "one two three", "repeat": 10, "reasoning": "let me see",
              "calls": [{"name": "get_weather", "arguments": {"city": "Paris"}}],
              "then": {"text": "It is sunny."},
              "delay_ms": 5, "fail_after": 3, "crash_after": 3, "hang_after": 3, "prepare_ms": 5,
              "prints": 3, "fault": true}}

When the results of the calls have come back, `then` is the script; without one they are made again.
Without a script a required tool is called with no arguments.
"""

import json
import os
import signal
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mlx_gui.core.errors import ContextTooLong, InvalidRequest, WorkerFailed
from mlx_gui.core.generation import (
    CallStarted,
    Channel,
    Delta,
    Detokenized,
    DetokenizeRequest,
    Done,
    Event,
    Failed,
    FinishReason,
    GenerateRequest,
    Message,
    Prefill,
    Prepared,
    TokenChance,
    Tokenized,
    TokenizeRequest,
    TokenLogprob,
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
from mlx_gui.engines.fake.loading import SCRIPTED_MEMORY, scripted_load, scripted_name
from mlx_gui.engines.fake.pictures import FakeEyes, Seen
from mlx_gui.engines.text.stops import StopText

_VOCABULARY = 50_000
_SCRIPT_START = '{"fake":'
_PICTURE_WORD = "<picture>"


class ScriptedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call that an answer makes."""

    name: str
    arguments: dict[str, Any] = {}


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request asks of the fake engine. Counts are of tokens, None means never."""

    text: str | None = None
    repeat: int = 1
    reasoning: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    then: "Script | None" = None
    delay_ms: float = 0
    fail_after: int | None = None
    crash_after: int | None = None
    hang_after: int | None = None
    prepare_ms: float = 0
    prints: int = 0
    fault: bool = False


class _Envelope(msgspec.Struct):
    fake: Script


_MODEL_SCRIPTS: Mapping[str, Script] = {
    "slow": Script(repeat=100, delay_ms=50),
    "crash": Script(repeat=10, crash_after=3),
}


@dataclass(frozen=True, slots=True)
class _Word:
    """One token of an answer; `call` is there on the first one of a tool call."""

    text: str
    channel: Channel = "content"
    call: int = 0
    started: CallStarted | None = None


@dataclass(slots=True)
class _Sequence:
    """One of the answers to a request."""

    index: int
    words: list[_Word]
    stops: StopText
    limit_tokens: int
    done_tokens: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is answered; `last` is the text that an answer without a script repeats."""

    request: GenerateRequest
    script: Script
    last: str
    prompt_tokens: int
    seen: tuple[Seen, ...] = ()


@dataclass(slots=True)
class _Running:
    asked: _Asked
    sequences: list[_Sequence]
    began_s: float = field(default_factory=time.monotonic)

    def usage(self) -> Usage:
        done = [word for each in self.sequences for word in each.words[: each.done_tokens]]
        return Usage(
            self.asked.prompt_tokens,
            len(done),
            decode_ms=(time.monotonic() - self.began_s) * 1000,
            reasoning_tokens=sum(word.channel == "reasoning" for word in done),
            ids=self._ids() if self.asked.request.tells_ids else (),
            images=len(self.asked.seen),
            image_tokens=_picture_tokens(self.asked.seen),
        )

    def _ids(self) -> tuple[int, ...]:
        request, first = self.asked.request, self.sequences[0]
        asked = [word for text in _prompt_texts(request) for word in _cut(text)]
        said = [word.text for word in first.words[: first.done_tokens]]
        return (*request.earlier, *(_word_id(word) for word in (*asked, *said)))


class FakeEngine:
    """See the module. Each step advances every sequence by one token."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._script = Script()
        self._spec: LoadSpec | None = None
        self._memory = SCRIPTED_MEMORY
        self._eyes = FakeEyes()

    def load(self, spec: LoadSpec, report: LoadReport) -> Loaded:
        self._memory = scripted_load(spec, report)
        self._script = _MODEL_SCRIPTS.get(scripted_name(spec), Script())
        self._spec = spec
        return Loaded()

    def prepare(
        self,
        request_id: str,
        request: WorkerRequest,
        still_wanted: StillWanted = always_wanted,
    ) -> PreparedRequest | tuple[Event, ...]:
        match request:
            case GenerateRequest():
                asked = self._read(request, still_wanted)
                scaled = tuple(each.scaled_down for each in asked.seen if each.scaled_down)
                told = Prepared(asked.prompt_tokens, scaled_down=scaled)
                return PreparedRequest(request_id, asked, told)
            case TokenizeRequest():
                words = [word for text in _prompt_texts(request.request) for word in _cut(text)]
                seen = self._eyes.see(request.request.messages, self._loaded(), still_wanted)
                words += [_PICTURE_WORD] * _picture_tokens(seen)
                ids = tuple(_word_id(word) for word in words)
                return Tokenized(ids, tuple(words)), Usage(len(ids), 0)
            case DetokenizeRequest(ids):
                return Detokenized(" ".join(f"word-{id}" for id in ids)), Usage(len(ids), 0)
            case _:
                raise cannot_answer(self._loaded())

    def _read(self, request: GenerateRequest, still_wanted: StillWanted) -> _Asked:
        texts = _prompt_texts(request)
        seen = self._eyes.see(request.messages, self._loaded(), still_wanted)
        if not any(texts) and not seen:
            raise InvalidRequest("The prompt is empty.", hint="Send at least one message.")
        for id in request.earlier:
            if not 0 <= id < _VOCABULARY:
                raise InvalidRequest(
                    f"There is no token {id}; the model has those below {_VOCABULARY}.",
                    hint="Send ids of this model's own.",
                    param="context",
                )
        prompt_tokens = sum(len(text.split()) + 1 for text in texts) + len(request.earlier)
        prompt_tokens += _picture_tokens(seen)
        context = self._loaded().text.context
        if prompt_tokens >= context:
            raise ContextTooLong(
                f"The prompt has {prompt_tokens} tokens, the context holds {context}.",
                hint="Shorten the conversation.",
                details={"prompt_tokens": prompt_tokens, "context_tokens": context},
            )
        if request.prompt is None:
            last, script = _asked(request.messages)
        else:
            last, script = texts[-1], _read_script(texts[-1])
        script = script or self._script
        time.sleep(script.prepare_ms / 1000)
        for number in range(script.prints):
            print(f"line {number}")  # noqa: T201
        if script.fault:
            raise RuntimeError("the script says that this is a fault")
        still_wanted()
        return _Asked(request, script, last, prompt_tokens, seen)

    def admit(self, prepared: PreparedRequest) -> None:
        asked: _Asked = prepared.payload
        request = asked.request
        room = self._loaded().text.context - asked.prompt_tokens
        self._running[prepared.request_id] = _Running(
            asked,
            [
                _Sequence(
                    index,
                    list(_answer(asked, index)),
                    StopText(request.stop),
                    room if request.max_tokens is None else min(request.max_tokens, room),
                )
                for index in range(request.n)
            ],
        )

    def step(self) -> list[StepEvents]:
        delay_ms = max((each.asked.script.delay_ms for each in self._running.values()), default=0)
        if delay_ms:
            time.sleep(delay_ms / 1000)
        return [
            StepEvents(request_id, tuple(self._advance(request_id, running)))
            for request_id, running in list(self._running.items())
        ]

    def cancel(self, request_id: str) -> list[StepEvents]:
        running = self._running.pop(request_id, None)
        if running is None:
            return []
        ends = [Done(each.index, "cancelled") for each in running.sequences if not each.ended]
        return [StepEvents(request_id, (*ends, running.usage()))]

    def busy(self) -> bool:
        return bool(self._running)

    def credits(self) -> int:
        return self._loaded().text.slots

    def reclaim(self, wanted_bytes: int) -> int:
        return 0

    def memory(self) -> MemoryUse:
        return self._memory

    def close(self) -> None:
        self._running.clear()
        self._eyes.close()

    def _loaded(self) -> LoadSpec:
        assert self._spec is not None, "load comes first"
        return self._spec

    def _advance(self, request_id: str, running: _Running) -> list[Event]:
        asked, done = running.asked, running.sequences[0].done_tokens
        if asked.script.crash_after == done:
            os.kill(os.getpid(), signal.SIGKILL)
        if asked.script.hang_after == done:
            signal.pause()
        if asked.script.fail_after == done:
            del self._running[request_id]
            return [Failed(WorkerFailed("The script says that this request fails here.").info())]
        events: list[Event] = []
        if done == 0:
            events.append(Prefill(asked.prompt_tokens, asked.prompt_tokens))
            if asked.request.echo:
                scores = _scores(asked.last, asked.request)
                events.extend(
                    Delta(each.index, asked.last, token_count=0, logprobs=scores)
                    for each in running.sequences
                )
        for sequence in running.sequences:
            if not sequence.ended:
                events.extend(_next(sequence, asked.request))
        if all(sequence.ended for sequence in running.sequences):
            del self._running[request_id]
            events.append(running.usage())
        return events


def create() -> Engine:
    """A fake engine that has nothing loaded yet."""
    return FakeEngine()


def warm() -> None:
    """Its loads import nothing."""


def _next(sequence: _Sequence, request: GenerateRequest) -> list[Event]:
    """The events of the sequence's next token, its end included."""
    if not sequence.limit_tokens:
        return _finish(sequence, [], "length")
    if sequence.done_tokens == len(sequence.words):
        called = any(word.started for word in sequence.words)
        return _finish(sequence, [], "tool_calls" if called else "stop")
    word = sequence.words[sequence.done_tokens]
    sequence.done_tokens += 1
    events: list[Event] = [word.started] if word.started else []
    text, stopped = word.text, False
    if word.channel == "content":
        text, stopped = sequence.stops.feed(word.text)
    if text:
        logprobs = _logprobs(word, request) if word.channel == "content" else ()
        events.append(Delta(sequence.index, text, word.channel, 1, word.call, logprobs))
    if stopped:
        sequence.stops.flush()
        return _finish(sequence, events, "stop")
    if sequence.done_tokens >= sequence.limit_tokens:
        return _finish(sequence, events, "length")
    return events


def _finish(sequence: _Sequence, events: list[Event], reason: FinishReason) -> list[Event]:
    sequence.ended = True
    if rest := sequence.stops.flush():
        events.append(Delta(sequence.index, rest, token_count=0))
    return [*events, Done(sequence.index, reason, sequence.stops.matched)]


def _answer(asked: _Asked, index: int) -> Iterator[_Word]:
    """The tokens of answer number `index`, in the order that a model would write them."""
    script, request = asked.script, asked.request
    for word in _cut(script.reasoning) if script.reasoning else ():
        yield _Word(word, "content" if request.reasoning.raw else "reasoning")
    calls = script.calls or _required_calls(request)
    if script.text is not None or not calls:
        text = script.text if script.text is not None else _said_of(asked)
        yield from map(_Word, _cut(" ".join([text] * script.repeat)))
    for number, call in enumerate(calls):
        arguments = _cut(msgspec.json.encode(call.arguments).decode().replace(",", ", "))
        call_id = f"call_{index}_{number}"
        started = CallStarted(index, number, call_id, call.name)
        for position, word in enumerate(arguments):
            yield _Word(word, "tool_call", number, None if position else started)


def _said_of(asked: _Asked) -> str:
    """What an answer without a script says."""
    seen = f"I see {', '.join(each.words for each in asked.seen)}. " if asked.seen else ""
    return f"{seen}You said: {asked.last}"


def _picture_tokens(seen: Sequence[Seen]) -> int:
    return sum(each.tokens for each in seen)


def _required_calls(request: GenerateRequest) -> tuple[ScriptedCall, ...]:
    match request.tool_choice.mode:
        case "required":
            return (ScriptedCall(request.tools[0].name),)
        case "named":
            return (ScriptedCall(request.tool_choice.name or ""),)
        case _:
            return ()


def _logprobs(word: _Word, request: GenerateRequest) -> tuple[TokenLogprob, ...]:
    return () if request.top_logprobs is None else (_chances(word.text, request.top_logprobs),)


def _scores(prompt: str, request: GenerateRequest) -> tuple[TokenLogprob, ...]:
    """Of the words of a prompt, if they are asked for."""
    if request.top_logprobs is None:
        return ()
    first, *others = _cut(prompt)
    chance = _chances(first, 0)
    return (
        TokenLogprob(chance.chosen, first=True),
        *(_chances(word, request.top_logprobs) for word in others),
    )


def _chances(word: str, top: int) -> TokenLogprob:
    chances = [
        TokenChance(text, text.encode(), logprob, _word_id(text))
        for text, logprob in ((word, -0.25), *((f" else{n}", -2.0 - n) for n in range(20)))
    ]
    return TokenLogprob(chances[0], tuple(chances[:top]))


def _asked(messages: Sequence[Message]) -> tuple[str, Script | None]:
    """The user's last message, and the script for what is to be answered now.

    What a program adds behind the results of calls, like a reminder, is not what was asked where a
    script says what follows them.
    """
    last, script, rounds = "", None, 0
    for before, message in zip((None, *messages), messages, strict=False):
        behind_results = before is not None and before.role == "tool"
        if message.role == "tool" and not behind_results:
            rounds += 1
        elif message.role == "user":
            said = message.text()
            goes_on = behind_results and script is not None and script.then is not None
            if not goes_on or _read_script(said) is not None:
                last, script, rounds = said, _read_script(said), 0
    for _ in range(rounds):
        script = script and (script.then or script)
    return last, script


def _read_script(text: str) -> Script | None:
    start = text.find(_SCRIPT_START)
    if start < 0:
        return None
    try:
        envelope, _ = json.JSONDecoder().raw_decode(text, start)
        return msgspec.convert(envelope, _Envelope).fake
    except (RecursionError, ValueError):
        return None


def _prompt_texts(request: GenerateRequest) -> list[str]:
    """What a prompt consists of; raw token ids are words of their own."""
    match request.prompt:
        case None:
            return [message.text() for message in request.messages]
        case str(text):
            return [request.suffix, text] if request.suffix else [text]
        case ids:
            return [" ".join(f"word-{id}" for id in ids)]


def _word_id(word: str) -> int:
    """An id that a word always has."""
    return zlib.crc32(word.encode()) % _VOCABULARY


def _cut(text: str) -> list[str]:
    """`text` cut before each space, so that joining gives it back."""
    words: list[str] = []
    for word in text.split(" "):
        words.append(word if not words else " " + word)
    return words
