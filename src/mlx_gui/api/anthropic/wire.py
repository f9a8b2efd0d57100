"""The JSON of an error under `/v1/messages`."""

from typing import Literal

from pydantic import BaseModel

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "overloaded_error",
    "timeout_error",
]


class AnthropicErrorDetail(BaseModel):
    """Anthropic's two fields, then ours. `details` name the refused field as `param`."""

    type: ErrorType
    message: str
    hint: str
    code: str
    details: dict[str, str | int | float | bool | None]


class AnthropicErrorEnvelope(BaseModel):
    """What every refused or failed request answers; in a stream, the data of the event `error`."""

    type: Literal["error"] = "error"
    error: AnthropicErrorDetail
    request_id: str
