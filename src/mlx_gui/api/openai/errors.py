"""OpenAI's error shape, with our hint, details and request id inside `error`."""

import msgspec

from mlx_gui.core.errors import MlxGuiError

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_body(error: MlxGuiError, request_id: str) -> bytes:
    """The JSON of `error` under `/v1`."""
    details = dict(error.details)
    return msgspec.json.encode(
        {
            "error": {
                "message": error.message,
                "type": _TYPES.get(error.status) or _type_by_class(error.status),
                "param": details.pop("param", None),
                "code": error.code,
                "hint": error.hint,
                "details": details,
                "request_id": request_id,
            }
        }
    )


def _type_by_class(status: int) -> str:
    return "invalid_request_error" if status < 500 else "server_error"
