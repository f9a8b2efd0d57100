"""The events of an answer as Ollama's objects: pieces, and a last one with counts and times."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from mlx_gui.api.answers import GatheredCall, Gathering, answered
from mlx_gui.api.model_view import utc_time
from mlx_gui.api.ollama.translate import logprob_list
from mlx_gui.api.sse import json_line
from mlx_gui.core.errors import from_info
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Event,
    Failed,
    FinishReason,
    Prepared,
    TokenLogprob,
    Usage,
)

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Piece:
    """What the model said since the last piece; `calls` are whole ones."""

    text: str = ""
    thinking: str = ""
    calls: tuple[dict[str, Any], ...] = ()


Body = Callable[[Piece], dict[str, Any]]
"""The fields of a piece that are the endpoint's own."""


class Stopwatch:
    """When an answer was asked for, and when the model took the request."""

    def __init__(self, clock_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock_ns = clock_ns
        self._began_ns = clock_ns()
        self._taken_ns = self._began_ns

    async def watch(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """The same `events`."""
        async with aclosing(events):
            async for event in events:
                self.notice(event)
                yield event

    def notice(self, event: Event) -> None:
        if isinstance(event, Prepared):
            self._taken_ns = self._clock_ns()

    def durations(self) -> dict[str, int]:
        """Both durations up to now, in nanoseconds."""
        return {
            "total_duration": self._clock_ns() - self._began_ns,
            "load_duration": self._taken_ns - self._began_ns,
        }


class AnswerWriter:
    """Writes one answer, piece by piece or as a whole. `now` is Unix time."""

    def __init__(
        self, model: str, body: Body, stopwatch: Stopwatch, *, now: Callable[[], float] = time.time
    ) -> None:
        self._model = model
        self._body = body
        self._stopwatch = stopwatch
        self._now = now
        self._calls = _Calls()
        self._finish_reason: FinishReason = "stop"
        self._dropped: dict[str, int] = {}

    def line(self, event: Event) -> bytes:
        """The lines that say `event`, none for many. Raises what a Failed carries."""
        match event:
            case Prepared():
                self._dropped = _dropped(event)
                return b""
            case Delta(channel="content", text=text, logprobs=logprobs):
                return self._line(Piece(text), logprobs) if text or logprobs else b""
            case Delta(channel="reasoning", text=text):
                return self._line(Piece(thinking=text))
            case CallStarted(call=number, id=id, name=name):
                self._calls.start(number, GatheredCall(id, name))
                return b""
            case Delta(channel="tool_call", text=text, call=number):
                whole = self._calls.extend(number, text)
                return self._line(Piece(calls=(whole,))) if whole else b""
            case Done(finish_reason=reason):
                self._finish_reason = answered(reason)
                piece = self._calls.rest()
                return self._line(piece) if piece.text or piece.calls else b""
            case Usage():
                return json_line(self._encode(Piece(), self._end(event)))
            case Failed(error=info):
                raise from_info(info)
            case _:
                return b""

    def whole(self, gathered: Gathering) -> bytes:
        """The whole answer as one object. Raises WorkerFailed when events are missing."""
        (choice, *_), usage = gathered.complete()
        calls = _Calls()
        for number, call in enumerate(choice.calls):
            calls.start(number, call)
        rest = calls.rest()
        piece = Piece(choice.text + rest.text, choice.reasoning, rest.calls)
        self._finish_reason = cast(FinishReason, choice.finish_reason)
        self._dropped = _dropped(gathered.prepared)
        return self._encode(piece, self._end(usage), choice.logprobs)

    def empty(self, done_reason: str) -> bytes:
        """The answer to a request that asked for no answer."""
        return self._encode(Piece(), {"done": True, "done_reason": done_reason})

    def _line(self, piece: Piece, logprobs: tuple[TokenLogprob, ...] = ()) -> bytes:
        return json_line(self._encode(piece, {"done": False}, list(logprobs)))

    def _encode(
        self, piece: Piece, end: dict[str, Any], logprobs: list[TokenLogprob] | None = None
    ) -> bytes:
        return msgspec.json.encode(
            {
                "model": self._model,
                "created_at": utc_time(self._now()),
                **self._body(piece),
                **({"logprobs": logprob_list(logprobs)} if logprobs else {}),
                **end,
            }
        )

    def _end(self, usage: Usage) -> dict[str, Any]:
        return {
            "done": True,
            "done_reason": "length" if self._finish_reason == "length" else "stop",
            **self._stopwatch.durations(),
            "prompt_eval_count": usage.prompt_tokens,
            "prompt_eval_duration": round(usage.prefill_ms * _NS_PER_MS),
            "eval_count": usage.completion_tokens,
            "eval_duration": round(usage.decode_ms * _NS_PER_MS),
            **({"context": list(usage.ids)} if usage.ids else {}),
            **self._dropped,
        }


def _dropped(prepared: Prepared) -> dict[str, int]:
    """What was dropped of the prompt, by the names of the fields that count it."""
    counts = {
        "truncated_messages": prepared.truncated_messages,
        "truncated_tokens": prepared.truncated_tokens,
    }
    return {name: count for name, count in counts.items() if count}


@dataclass(slots=True)
class _Calls:
    """The calls of an answer by number, until they have been said."""

    _open: dict[int, GatheredCall] = field(default_factory=dict[int, GatheredCall])

    def start(self, number: int, call: GatheredCall) -> None:
        self._open[number] = call

    def extend(self, number: int, arguments: str) -> dict[str, Any] | None:
        """The call if it is whole now. White space may come after that."""
        call = self._open.get(number)
        if call is None:
            return None
        call.arguments += arguments
        # An object that has ended cannot go on, so nothing is said too early.
        whole = _whole(number, call) if arguments.rstrip().endswith("}") else None
        if whole is not None:
            del self._open[number]
        return whole

    def rest(self) -> Piece:
        """All that has not been said: calls, and as text those whose arguments are no object."""
        calls: list[dict[str, Any]] = []
        text = ""
        for number, call in sorted(self._open.items()):
            if whole := _whole(number, call):
                calls.append(whole)
            else:
                name = msgspec.json.encode(call.name).decode()
                text += f'{{"name": {name}, "arguments": {call.arguments}}}'
        self._open.clear()
        return Piece(text, calls=tuple(calls))


def _whole(number: int, call: GatheredCall) -> dict[str, Any] | None:
    """The call as JSON, with an object for what is empty; None when its arguments are none."""
    try:
        arguments = msgspec.json.decode(call.arguments.strip() or "{}", type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return None
    function = {"index": number, "name": call.name, "arguments": arguments}
    return {"id": call.id, "function": function}
