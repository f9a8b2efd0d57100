"""Anthropic's error shape, with our hint, code and details inside `error`."""

import msgspec

from mlx_gui.core.errors import ContextTooLong, MlxGuiError

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_body(error: MlxGuiError, request_id: str) -> bytes:
    """The JSON of `error` under `/v1/messages`.

    The code is in `details` once more: there Anthropic's clients look for it, as `error_code`. An
    error that they know by a code of their own has that one there.
    """
    return msgspec.json.encode(
        {
            "type": "error",
            "error": {
                "type": _TYPES.get(error.status) or _type_by_class(error.status),
                "message": _message(error),
                "hint": error.hint,
                "code": error.code,
                "details": {"error_code": error.code, **error.details},
            },
            "request_id": request_id,
        }
    )


def _message(error: MlxGuiError) -> str:
    """Agents look for Anthropic's own words to know that they must shorten the conversation."""
    prompt, context = (error.details.get(f"{name}_tokens") for name in ("prompt", "context"))
    if not isinstance(error, ContextTooLong) or prompt is None or context is None:
        return error.message
    return f"prompt is too long: {prompt} tokens > {context} maximum"


def _type_by_class(status: int) -> str:
    return "invalid_request_error" if status < 500 else "api_error"
