"""Core's events → a response and the events of its stream."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mlx_gui.api.answers import answered, broken_off
from mlx_gui.api.openai.errors import error_body
from mlx_gui.api.openai.responses.offered import Origin
from mlx_gui.api.openai.responses.output import (
    CallItem,
    ItemStatus,
    MessageItem,
    OutputItem,
    ReasoningItem,
    StreamEvent,
    call_item,
)
from mlx_gui.api.sse import frame
from mlx_gui.core.errors import MlxGuiError, from_info
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Event,
    Failed,
    FinishReason,
    Prepared,
    Usage,
)


class ResponseAnswer:
    """Puts a response together. `response` is the object as it begins, `key` the end of its id.

    `origins` are the client's tools, by the names that the model has for them. One item is written
    at a time; the next one begins where the channel changes.
    """

    def __init__(
        self, response: dict[str, Any], *, key: str, origins: Mapping[str, Origin]
    ) -> None:
        self._response = response
        self._key = key
        self._origins = origins
        self._begun = False
        self._items: list[OutputItem] = []
        self._calls: dict[int, CallItem] = {}
        self._end: dict[str, Any] | None = None
        self._usage: Usage | None = None

    def feed(self, event: Event) -> Sequence[StreamEvent]:
        """What a stream says of the next event. Raises what a Failed carries, and Cancelled."""
        match event:
            case Prepared():
                return self._begin(event)
            case CallStarted(call=number, name=name):
                origin = self._origins.get(name) or Origin(name)
                place = len(self._items)
                item = call_item(place, self._key, started=event, origin=origin)
                self._calls[number] = item
                return self._open(item)
            case Delta(text="", logprobs=()):
                return ()
            case Delta(channel="tool_call", call=number):
                return self._calls[number].add(event)
            case Delta(channel="reasoning"):
                return (*self._turn_to(ReasoningItem), *self._items[-1].add(event))
            case Delta():
                return (*self._turn_to(MessageItem), *self._items[-1].add(event))
            case Done(finish_reason=reason):
                return self._finish(answered(reason))
            case Usage():
                self._usage = event
                return ()
            case Failed(error=info):
                raise from_info(info)
            case _:
                return ()

    def complete(self, *, now_s: float) -> dict[str, Any]:
        """The whole response. Raises WorkerFailed when events are missing."""
        if self._end is None or self._usage is None:
            raise broken_off()
        return {
            **self._response,
            **self._end,
            "completed_at": int(now_s) if self._end["status"] == "completed" else None,
            "output": self._output(),
            "usage": _usage(self._usage),
        }

    def fail(self, error: MlxGuiError, request_id: str) -> list[StreamEvent]:
        """How the stream ends by `error`."""
        whole = msgspec.json.decode(error_body(error, request_id))["error"]
        last: StreamEvent = {
            "type": "error",
            "code": error.code,
            "message": error.message,
            "param": whole["param"],
            "error": whole,
        }
        if not self._begun:
            return [last]
        failure = {"code": _failure_code(error), "message": error.message}
        for item in self._items[-1:]:
            item.status = "incomplete" if item.status == "in_progress" else item.status
        response = {
            **self._response,
            "status": "failed",
            "error": failure,
            "output": self._output(),
        }
        return [last_event(response), last]

    def _begin(self, prepared: Prepared) -> Sequence[StreamEvent]:
        self._begun = True
        if prepared.truncated_messages:
            self._response["truncation"] = "auto"
        return (
            {"type": "response.created", "response": self._response},
            {"type": "response.in_progress", "response": self._response},
        )

    def _turn_to(self, kind: type[MessageItem | ReasoningItem]) -> Sequence[StreamEvent]:
        """Opens an item of this kind, unless it is one that is being written."""
        last = self._items[-1] if self._items else None
        if isinstance(last, kind) and last.status == "in_progress":
            return ()
        return self._open(kind(len(self._items), self._key))

    def _open(self, item: OutputItem) -> Sequence[StreamEvent]:
        closing = self._close("completed")
        self._items.append(item)
        return (*closing, *item.begin())

    def _close(self, status: ItemStatus) -> Sequence[StreamEvent]:
        if self._items and self._items[-1].status == "in_progress":
            return self._items[-1].end(status)
        return ()

    def _finish(self, reason: FinishReason) -> Sequence[StreamEvent]:
        # Clients take the first item for granted, even where the model said nothing.
        opening = () if self._items else self._turn_to(MessageItem)
        if reason in ("length", "content_filter"):
            cause = "max_output_tokens" if reason == "length" else reason
            self._end = {"status": "incomplete", "incomplete_details": {"reason": cause}}
            return (*opening, *self._close("incomplete"))
        self._end = {"status": "completed"}
        return (*opening, *self._close("completed"))

    def _output(self) -> list[dict[str, Any]]:
        return [item.as_dict() for item in self._items]


class EventFrames:
    """The frames of a stream's events, numbered from 0."""

    def __init__(self) -> None:
        self._next_number = 0

    def encode(self, events: Sequence[StreamEvent]) -> bytes:
        """The next frames."""
        frames = b""
        for event in events:
            numbered = {"type": event["type"], "sequence_number": self._next_number, **event}
            frames += frame(msgspec.json.encode(numbered), event=event["type"])
            self._next_number += 1
        return frames


def last_event(response: dict[str, Any]) -> StreamEvent:
    """The event that ends the stream of `response`, whatever its end."""
    return {"type": f"response.{response['status']}", "response": response}


def _failure_code(error: MlxGuiError) -> str:
    if error.status == 429:
        return "rate_limit_exceeded"
    return "server_error" if error.status >= 500 else "invalid_prompt"


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": 0,
            "image_tokens": usage.image_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
