"""What `/v1/responses` answers."""

from typing import Any, Literal

from pydantic import BaseModel, Field

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Status = Literal["in_progress", "completed", "incomplete", "failed"]


def _is_absent(value: object) -> bool:
    return value is None


class ResponseTokenChance(BaseModel):
    """A token that could be chosen; `bytes` are its exact ones."""

    token: str
    bytes: list[int]
    logprob: float


class ResponseTokenLogprob(ResponseTokenChance):
    """The chosen token, and the likeliest alternatives."""

    top_logprobs: list[ResponseTokenChance]


class ResponseOutputText(BaseModel):
    """What the model said; `annotations` is always empty."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[Any]
    logprobs: list[ResponseTokenLogprob]


class ResponseReasoningText(BaseModel):
    """What the model thought."""

    type: Literal["reasoning_text"] = "reasoning_text"
    text: str


class ResponseMessageItem(BaseModel):
    """A text for the user."""

    id: str
    type: Literal["message"] = "message"
    status: ItemStatus
    role: Literal["assistant"] = "assistant"
    content: list[ResponseOutputText]


class ResponseReasoningItem(BaseModel):
    """A thought; `summary` is always empty, `content` has all of it."""

    id: str
    type: Literal["reasoning"] = "reasoning"
    status: ItemStatus
    summary: list[Any]
    content: list[ResponseReasoningText]


class ResponseFunctionCallItem(BaseModel):
    """A call to be made; its result is sent as a `function_call_output` with the same `call_id`.

    `namespace` is there where the function has one.
    """

    id: str
    type: Literal["function_call"] = "function_call"
    status: ItemStatus
    call_id: str
    name: str
    namespace: str | None = Field(default=None, exclude_if=_is_absent)
    arguments: str


class ResponseCustomCallItem(BaseModel):
    """A call of a custom tool; its result is sent as a `custom_tool_call_output`."""

    id: str
    type: Literal["custom_tool_call"] = "custom_tool_call"
    status: ItemStatus
    call_id: str
    name: str
    namespace: str | None = Field(default=None, exclude_if=_is_absent)
    input: str


OutputItem = (
    ResponseMessageItem | ResponseReasoningItem | ResponseFunctionCallItem | ResponseCustomCallItem
)


class ResponseInputTokensDetails(BaseModel):
    """`cached_tokens` were reused from an earlier request, `image_tokens` stand for pictures.

    `cache_write_tokens` is always 0.
    """

    cached_tokens: int
    cache_write_tokens: int
    image_tokens: int


class ResponseOutputTokensDetails(BaseModel):
    """How many of the tokens were thought."""

    reasoning_tokens: int


class ResponseUsage(BaseModel):
    """Tokens read and written."""

    input_tokens: int
    input_tokens_details: ResponseInputTokensDetails
    output_tokens: int
    output_tokens_details: ResponseOutputTokensDetails
    total_tokens: int


class ResponseFailure(BaseModel):
    """Why a response failed, in the words that OpenAI's clients know."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class ResponseIncompleteDetails(BaseModel):
    """Why an answer stopped early; a full context counts as `max_output_tokens`."""

    reason: Literal["max_output_tokens", "content_filter"]


class ResponseExtras(BaseModel):
    """What OpenAI's responses do not have: the types of tools, items and parts that were left out.

    They are also in the header `x-mlx-gui-left-out`.
    """

    left_out: list[str]


class ResponseObject(BaseModel):
    """A response: the settings that it was asked with, and what came of them.

    `store` says whether it can be continued and retrieved.
    """

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None
    status: Status
    background: Literal[False] = False
    error: ResponseFailure | None
    incomplete_details: ResponseIncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: dict[str, str]
    model: str
    output: list[OutputItem]
    parallel_tool_calls: bool
    previous_response_id: str | None
    prompt_cache_key: str | None
    reasoning: dict[str, Any]
    safety_identifier: str | None
    service_tier: Literal["default"] = "default"
    store: bool
    temperature: float | None
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float | None
    truncation: Literal["auto", "disabled"]
    usage: ResponseUsage | None
    user: str | None
    mlx_gui: ResponseExtras


class DeletedResponse(BaseModel):
    """A response that is no more."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class ResponseItemList(BaseModel):
    """A page of items."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ResponseInputTokens(BaseModel):
    """How many tokens the model would read."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int
