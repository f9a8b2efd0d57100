"""The JSON of `/v1/chat/completions`. Fields that are not named here are ignored."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

MAX_STOPS = 16
_INT64 = 2**63


def _as_parts(value: object) -> object:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if value is None or isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError("content_type", "Input should be a string or a list of parts")


def _as_stops(value: object) -> object:
    if isinstance(value, str):
        return [value]
    if value is None or isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError("stop_type", "Input should be a string or a list of strings")


def _between(lowest: int, highest: int) -> AfterValidator:
    """Both bounds in one sentence, which pydantic's own `ge` and `le` do not give."""

    def check(value: float) -> float:
        if lowest <= value <= highest:
            return value
        raise PydanticCustomError(
            "out_of_range",
            "Input should be between {lowest} and {highest}",
            {"lowest": lowest, "highest": highest},
        )

    return AfterValidator(check)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class ContentPart(_Strict):
    """A piece of a message; `text` belongs to the type `text`."""

    type: str
    text: str | None = None


Content = Annotated[
    list[ContentPart], BeforeValidator(_as_parts, json_schema_input_type=str | list[ContentPart])
]
NonEmpty = Annotated[str, Field(min_length=1)]
StopList = Annotated[list[NonEmpty], Field(max_length=MAX_STOPS)]
Stops = Annotated[StopList, BeforeValidator(_as_stops, json_schema_input_type=NonEmpty | StopList)]


class ChatMessage(_Strict):
    """One turn. `developer` means `system`; only an assistant's turn may be without content."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    name: str | None = None


class StreamOptions(_Strict):
    """`include_usage` asks for a last chunk with the token counts."""

    include_usage: bool | None = None


class ChatCompletionRequest(_Strict):
    """A conversation to continue. `max_completion_tokens` wins over `max_tokens`."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    temperature: (
        Annotated[float, _between(0, 2), Field(json_schema_extra={"minimum": 0, "maximum": 2})]
        | None
    ) = None
    top_p: (
        Annotated[float, _between(0, 1), Field(json_schema_extra={"minimum": 0, "maximum": 1})]
        | None
    ) = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: Stops | None = None
    seed: Annotated[int, Field(ge=-_INT64, lt=_INT64)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class PromptTokensDetails(BaseModel):
    """`cached_tokens` were reused from an earlier request."""

    cached_tokens: int


class CompletionUsage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


AnswerEnd = Literal["stop", "length", "tool_calls", "content_filter"]


class AnswerMessage(BaseModel):
    """What the model said; `refusal` is always null."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """One answer."""

    index: int
    message: AnswerMessage
    logprobs: None = None
    finish_reason: AnswerEnd


class ChatCompletion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage


class AnswerDelta(BaseModel):
    """What came since the last chunk."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """A part of one answer; the last one has the finish reason."""

    index: int
    delta: AnswerDelta
    logprobs: None = None
    finish_reason: AnswerEnd | None


class ChatCompletionChunk(BaseModel):
    """One event of a streamed answer; the stream ends with `data: [DONE]`."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
