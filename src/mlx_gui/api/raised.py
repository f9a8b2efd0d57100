"""What routes raise, as answers: our own errors, and those of the libraries below them."""

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mlx_gui.api.errors import ErrorResponses
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


def answer_raised(app: FastAPI, errors: ErrorResponses) -> None:
    """Have `app` answer what its routes raise. What this misses ends at the border."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, MlxGuiError)
        return errors.response(request.scope, error)

    async def unstored(request: Request, error: Exception) -> Response:
        assert isinstance(error, StoreError)
        log.error("store_unavailable", reason=error.message)
        named = StoreUnavailable(error.message, hint=error.hint)
        return errors.response(request.scope, named)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return errors.response(request.scope, invalid_request(error.errors()))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            error.headers = {"allow": allowed_methods(request.scope)}
        response = errors.response(request.scope, _from_http(request, error))
        response.headers.update(error.headers or {})
        return response

    app.add_exception_handler(MlxGuiError, known)
    app.add_exception_handler(StoreError, unstored)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


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
