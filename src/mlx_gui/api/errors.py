"""Errors on their way out: each becomes an answer in its family's shape."""

from collections.abc import Sequence

from starlette.responses import Response
from starlette.types import Scope

from mlx_gui.api.family import Family
from mlx_gui.core.errors import MlxGuiError

DEFAULT_RETRY_AFTER_S = 1


class ErrorResponses:
    """Renders errors in the shape of the family that owns the request's path."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = sorted(families, key=lambda family: len(family.prefix), reverse=True)

    def response(self, scope: Scope, error: MlxGuiError) -> Response:
        """The answer to `scope` that says `error`; its code is noted for the request's log line."""
        state = scope["state"]
        state["error_code"] = error.code
        family = next(each for each in self._families if scope["path"].startswith(each.prefix))
        return Response(
            family.error_body(error, state["request_id"]),
            status_code=error.status,
            headers=retry_headers(error),
            media_type="application/json",
        )


def retry_headers(error: MlxGuiError) -> dict[str, str]:
    """What tells SDKs whether, and after how many seconds, another try makes sense."""
    if not error.retryable:
        return {"x-should-retry": "false"}
    return {"retry-after": str(error.retry_after_s or DEFAULT_RETRY_AFTER_S)}
