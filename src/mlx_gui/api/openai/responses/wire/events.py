"""The events of a streamed response. `sequence_number` counts them from 0."""

from typing import Literal

from pydantic import BaseModel

from mlx_gui.api.openai.responses.wire.response import (
    OutputItem,
    ResponseObject,
    ResponseOutputText,
    ResponseReasoningText,
    ResponseTokenLogprob,
)
from mlx_gui.wire.errors import ErrorDetail


class _Event(BaseModel):
    sequence_number: int


class _ItemEvent(_Event):
    item_id: str
    output_index: int


class _PartEvent(_ItemEvent):
    content_index: int


class ResponseStateEvent(_Event):
    """The response begins or ends. One of the last three comes once, as the last or before `error`.

    It has the whole response.
    """

    type: Literal[
        "response.created",
        "response.in_progress",
        "response.completed",
        "response.incomplete",
        "response.failed",
    ]
    response: ResponseObject


class ResponseItemEvent(_Event):
    """An item of the output begins or ends."""

    type: Literal["response.output_item.added", "response.output_item.done"]
    output_index: int
    item: OutputItem


class ResponsePartEvent(_PartEvent):
    """A part of a message or thought begins or ends."""

    type: Literal["response.content_part.added", "response.content_part.done"]
    part: ResponseOutputText | ResponseReasoningText


class ResponseTextDelta(_PartEvent):
    """More text of a message."""

    type: Literal["response.output_text.delta"]
    delta: str
    logprobs: list[ResponseTokenLogprob]


class ResponseTextDone(_PartEvent):
    """The whole text of a message."""

    type: Literal["response.output_text.done"]
    text: str
    logprobs: list[ResponseTokenLogprob]


class ResponseReasoningDelta(_PartEvent):
    """More of a thought."""

    type: Literal["response.reasoning_text.delta"]
    delta: str


class ResponseReasoningDone(_PartEvent):
    """A whole thought."""

    type: Literal["response.reasoning_text.done"]
    text: str


class ResponseArgumentsDelta(_ItemEvent):
    """More of a call's arguments."""

    type: Literal["response.function_call_arguments.delta"]
    delta: str


class ResponseArgumentsDone(_ItemEvent):
    """All of a call's arguments."""

    type: Literal["response.function_call_arguments.done"]
    name: str
    arguments: str


class ResponseCustomInputDelta(_ItemEvent):
    """More of the text that a custom tool is called with."""

    type: Literal["response.custom_tool_call_input.delta"]
    delta: str


class ResponseCustomInputDone(_ItemEvent):
    """All of the text that a custom tool is called with."""

    type: Literal["response.custom_tool_call_input.done"]
    input: str


class ResponseErrorEvent(_Event):
    """The stream's last event where it failed. `error` is what the error would be by itself."""

    type: Literal["error"]
    code: str
    message: str
    param: str | None
    error: ErrorDetail


STREAM_EVENTS = (
    ResponseStateEvent,
    ResponseItemEvent,
    ResponsePartEvent,
    ResponseTextDelta,
    ResponseTextDone,
    ResponseReasoningDelta,
    ResponseReasoningDone,
    ResponseArgumentsDelta,
    ResponseArgumentsDone,
    ResponseCustomInputDelta,
    ResponseCustomInputDone,
    ResponseErrorEvent,
)
