"""Core's events → Anthropic's message, whole or as a stream; nothing else."""

import json
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from mlx_gui.api.answers import answered, broken_off
from mlx_gui.api.anthropic.errors import error_body
from mlx_gui.api.anthropic.messages.wire import (
    ContentBlock,
    MessageAnswer,
    MessageUsage,
    OutputTokensDetails,
    StopReason,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
)
from mlx_gui.api.sse import frame
from mlx_gui.core.errors import MlxGuiError, from_info
from mlx_gui.core.generation import (
    CallStarted,
    Channel,
    Delta,
    Done,
    Event,
    Failed,
    FinishReason,
    Prepared,
    Usage,
)

INVALID_JSON = "INVALID_JSON"
"""The key that Anthropic advises for an input which is no JSON object."""
PING = frame(b'{"type":"ping"}', event="ping")
_STOP_REASONS: dict[FinishReason, StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What is known of an answer before it begins. Without `show_thinking`, thoughts are blank."""

    id: str
    model: str
    show_thinking: bool = True

    def tool_use_id(self, call: int) -> str:
        """An id for call number `call` that no other answer gives out."""
        return f"toolu_{self.id.removeprefix('msg_')}_{call}"


@dataclass(slots=True)
class _Block:
    """A block so far; `text` is that of a thought, of the answer, or of a call's arguments."""

    channel: Channel
    call: CallStarted | None = None
    text: str = ""


class _Blocks:
    """The blocks of an answer, in the order in which the model began them."""

    def __init__(self, head: AnswerHead) -> None:
        self._show_thinking = head.show_thinking
        self._indexes_of_calls: dict[int, int] = {}
        self.all: list[_Block] = []

    def place(self, event: Delta | CallStarted) -> tuple[int, str]:
        """The index of the block that `event` belongs to, and the text to be shown there."""
        match event:
            case CallStarted(call=call):
                index = self._begin(_Block("tool_call", event))
                self._indexes_of_calls[call] = index
                return index, ""
            case Delta(channel="tool_call", call=call, text=text):
                return self._indexes_of_calls[call], text
            case Delta(channel=channel, text=text):
                hidden = channel == "reasoning" and not self._show_thinking
                return self._current(channel), "" if hidden else text

    def _current(self, channel: Channel) -> int:
        if self.all and self.all[-1].channel == channel:
            return len(self.all) - 1
        return self._begin(_Block(channel))

    def _begin(self, block: _Block) -> int:
        self.all.append(block)
        return len(self.all) - 1


class WholeAnswer:
    """Puts a whole answer together."""

    def __init__(self, head: AnswerHead) -> None:
        self._head = head
        self._blocks = _Blocks(head)
        self._prepared = Prepared(0)
        self._done: Done | None = None
        self._usage: Usage | None = None

    def feed(self, event: Event) -> None:
        """Take the next event. Raises what a Failed carries, and Cancelled."""
        match event:
            case Prepared():
                self._prepared = event
            case Delta(text=""):
                pass
            case CallStarted() | Delta():
                index, text = self._blocks.place(event)
                self._blocks.all[index].text += text
            case Done(finish_reason=reason):
                answered(reason)
                self._done = event
            case Usage():
                self._usage = event
            case Failed(error=info):
                raise from_info(info)
            case _:
                pass

    def complete(self) -> MessageAnswer:
        """The answer. Raises WorkerFailed when events are missing."""
        if self._done is None or self._usage is None:
            raise broken_off()
        return MessageAnswer(
            id=self._head.id,
            model=self._head.model,
            content=[_content(self._head, block) for block in self._blocks.all],
            usage=_usage(self._usage),
            truncated_messages=self._prepared.truncated_messages,
            **_end(self._done),
        )


class StreamEncoder:
    """Turns events into the frames of a streamed answer, as they come."""

    def __init__(self, head: AnswerHead) -> None:
        self._head = head
        self._blocks = _Blocks(head)
        self._started = 0
        self._done: Done | None = None

    def encode(self, event: Event) -> bytes:
        """The frames that say `event`, none for some. Raises what a Failed carries, Cancelled."""
        match event:
            case Prepared():
                return self._first(event)
            case Delta(text=""):
                return b""
            case CallStarted() | Delta():
                return self._block(event)
            case Done(finish_reason=reason):
                answered(reason)
                self._done = event
                return self._stop_block()
            case Usage():
                return self._last(event)
            case Failed(error=info):
                raise from_info(info)
            case _:
                return b""

    def _first(self, prepared: Prepared) -> bytes:
        message = MessageAnswer(
            id=self._head.id,
            model=self._head.model,
            content=[],
            stop_reason=None,
            stop_sequence=None,
            usage=_usage(Usage(prepared.prompt_tokens, 0)),
            truncated_messages=prepared.truncated_messages,
        )
        return _event("message_start", message=message.model_dump()) + PING

    def _block(self, event: Delta | CallStarted) -> bytes:
        index, text = self._blocks.place(event)
        block = self._blocks.all[index]
        frames = b""
        if index == self._started:
            content = _content(self._head, block).model_dump()
            start = _event("content_block_start", index=index, content_block=content)
            frames = self._stop_block() + start
            self._started += 1
        return frames + (_delta(index, block.channel, text) if text else b"")

    def _stop_block(self) -> bytes:
        if not self._started:
            return b""
        index = self._started - 1
        signature = b""
        if self._blocks.all[index].channel == "reasoning":
            delta = {"type": "signature_delta", "signature": ""}
            signature = _event("content_block_delta", index=index, delta=delta)
        return signature + _event("content_block_stop", index=index)

    def _last(self, usage: Usage) -> bytes:
        if self._done is None:
            raise broken_off()
        counts = _usage(usage).model_dump()
        return _event("message_delta", delta=_end(self._done), usage=counts) + _event(
            "message_stop"
        )


def error_frame(error: MlxGuiError, request_id: str) -> bytes:
    """How a stream that has begun ends by `error`."""
    return frame(error_body(error, request_id), event="error")


def _event(type: str, **fields: Any) -> bytes:
    return frame(msgspec.json.encode({"type": type, **fields}), event=type)


def _delta(index: int, channel: Channel, text: str) -> bytes:
    match channel:
        case "content":
            delta = {"type": "text_delta", "text": text}
        case "reasoning":
            delta = {"type": "thinking_delta", "thinking": text}
        case "tool_call":
            delta = {"type": "input_json_delta", "partial_json": text}
    return _event("content_block_delta", index=index, delta=delta)


def _content(head: AnswerHead, block: _Block) -> ContentBlock:
    if block.call is not None:
        id = head.tool_use_id(block.call.call)
        return ToolUseBlock(id=id, name=block.call.name, input=_input(block.text))
    if block.channel == "reasoning":
        return ThinkingBlock(thinking=block.text)
    return TextBlock(text=block.text)


def _end(done: Done) -> dict[str, Any]:
    stopped = done.finish_reason == "stop" and done.stop is not None
    reason = "stop_sequence" if stopped else _STOP_REASONS[done.finish_reason]
    return {"stop_reason": reason, "stop_sequence": done.stop if stopped else None}


def _input(arguments: str) -> dict[str, Any]:
    """The arguments of a call; what is no JSON object is kept as text, for nobody to run."""
    try:
        value = json.loads(arguments or "{}", parse_constant=_not_json)
        # Half a surrogate pair or a number without end could not be sent.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        value = None
    return cast(Any, value) if isinstance(value, dict) else {INVALID_JSON: arguments}


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _usage(usage: Usage) -> MessageUsage:
    return MessageUsage(
        input_tokens=usage.prompt_tokens - usage.cached_tokens,
        cache_read_input_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
        output_tokens_details=OutputTokensDetails(thinking_tokens=usage.reasoning_tokens),
    )
