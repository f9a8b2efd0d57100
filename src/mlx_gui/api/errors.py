"""Errors on their way out: every exception becomes an answer in its family's shape."""

from collections.abc import Sequence

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from mlx_gui.api.family import Family
from mlx_gui.api.paths import allowed_methods
from mlx_gui.api.validation import invalid_request
from mlx_gui.core.errors import (
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    MlxGuiError,
    NotFound,
    StoreUnavailable,
)
from mlx_gui.store.errors import StoreError

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

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

    def install(self, app: FastAPI) -> None:
        """Answer what routes raise. What these miss ends at the border."""

        async def known(request: Request, error: Exception) -> Response:
            assert isinstance(error, MlxGuiError)
            return self.response(request.scope, error)

        async def unstored(request: Request, error: Exception) -> Response:
            assert isinstance(error, StoreError)
            log.error("store_unavailable", reason=error.message)
            named = StoreUnavailable(error.message, hint=error.hint)
            return self.response(request.scope, named)

        async def invalid(request: Request, error: Exception) -> Response:
            assert isinstance(error, RequestValidationError)
            return self.response(request.scope, invalid_request(error.errors()))

        async def http(request: Request, error: Exception) -> Response:
            assert isinstance(error, HTTPException)
            if error.status_code == 405:
                error.headers = {"allow": allowed_methods(request.scope)}
            response = self.response(request.scope, _from_http(request, error))
            response.headers.update(error.headers or {})
            return response

        app.add_exception_handler(MlxGuiError, known)
        app.add_exception_handler(StoreError, unstored)
        app.add_exception_handler(RequestValidationError, invalid)
        app.add_exception_handler(HTTPException, http)


def retry_headers(error: MlxGuiError) -> dict[str, str]:
    """What tells SDKs whether, and after how many seconds, another try makes sense."""
    if not error.retryable:
        return {"x-should-retry": "false"}
    return {"retry-after": str(error.retry_after_s or DEFAULT_RETRY_AFTER_S)}


def _from_http(request: Request, error: HTTPException) -> MlxGuiError:
    path = request.url.path
    if error.status_code == 404:
        return NotFound(f"There is nothing at {path}.", hint="/docs lists the endpoints.")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("allow", "")
        return MethodNotAllowed(
            f"{path} does not take {request.method}.", hint=f"It takes {allowed}."
        )
    if error.status_code < 500:
        return InvalidRequest(error.detail)
    return InternalError("The server failed to answer this request.")
