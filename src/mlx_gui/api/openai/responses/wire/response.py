"""What `/v1/responses` answers."""

from typing import Any, Literal

from pydantic import BaseModel

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Status = Literal["in_progress", "completed", "incomplete", "failed"]


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
    """A call to be made; its result is sent as a `function_call_output` with the same `call_id`."""

    id: str
    type: Literal["function_call"] = "function_call"
    status: ItemStatus
    call_id: str
    name: str
    arguments: str


OutputItem = ResponseMessageItem | ResponseReasoningItem | ResponseFunctionCallItem


class ResponseInputTokensDetails(BaseModel):
    """`cached_tokens` were reused from an earlier request; `cache_write_tokens` is always 0."""

    cached_tokens: int
    cache_write_tokens: int


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
