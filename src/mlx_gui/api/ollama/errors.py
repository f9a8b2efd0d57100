"""Ollama's error shape: `error` is the sentence, beside it our code, hint and request id."""

import msgspec
from pydantic import BaseModel

from mlx_gui.api.sse import json_line
from mlx_gui.core.errors import MlxGuiError


class OllamaError(BaseModel):
    """What every refused or failed request under `/api` answers. `error` is the sentence."""

    error: str
    code: str
    hint: str
    details: dict[str, str | int | float | bool | None]
    request_id: str


def error_body(error: MlxGuiError, request_id: str) -> bytes:
    """The JSON of `error` under `/api`."""
    return msgspec.json.encode(
        {
            "error": error.message,
            "code": error.code,
            "hint": error.hint,
            "details": error.details,
            "request_id": request_id,
        }
    )


def error_line(error: MlxGuiError, request_id: str) -> bytes:
    """How a stream that has begun ends by `error`."""
    return json_line(error_body(error, request_id))
