"""The JSON of the events of a streamed answer, each named as its `type`."""

from typing import Literal

from pydantic import BaseModel

from mlx_gui.api.anthropic.messages.wire import (
    ContentBlock,
    MessageAnswer,
    MessageUsage,
    StopReason,
)


class MessageStart(BaseModel):
    """The answer without its content."""

    type: Literal["message_start"]
    message: MessageAnswer


class Ping(BaseModel):
    """A sign of life, at any time."""

    type: Literal["ping"]


class ContentBlockStart(BaseModel):
    """A block begins, empty."""

    type: Literal["content_block_start"]
    index: int
    content_block: ContentBlock


class TextDelta(BaseModel):
    """More of a text."""

    type: Literal["text_delta"]
    text: str


class ThinkingDelta(BaseModel):
    """More of a thought."""

    type: Literal["thinking_delta"]
    thinking: str


class SignatureDelta(BaseModel):
    """The end of a thought."""

    type: Literal["signature_delta"]
    signature: str


class InputJsonDelta(BaseModel):
    """More of a tool's input, which is JSON once it is whole."""

    type: Literal["input_json_delta"]
    partial_json: str


class ContentBlockDelta(BaseModel):
    """More of the block `index`."""

    type: Literal["content_block_delta"]
    index: int
    delta: TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta


class ContentBlockStop(BaseModel):
    """The block `index` is whole."""

    type: Literal["content_block_stop"]
    index: int


class MessageEnd(BaseModel):
    """Why the answer ended."""

    stop_reason: StopReason
    stop_sequence: str | None


class MessageDelta(BaseModel):
    """The answer's end, and the counts that hold for all of it."""

    type: Literal["message_delta"]
    delta: MessageEnd
    usage: MessageUsage


class MessageStop(BaseModel):
    """The last event."""

    type: Literal["message_stop"]


STREAM_EVENTS: tuple[type[BaseModel], ...] = (
    MessageStart,
    Ping,
    ContentBlockStart,
    ContentBlockDelta,
    ContentBlockStop,
    MessageDelta,
    MessageStop,
)
