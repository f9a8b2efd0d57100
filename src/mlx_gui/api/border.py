"""The outermost layer: request ids, notices, log lines, and an answer to what nobody caught."""

import re
import time
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlx_gui.api.errors import ErrorResponses
from mlx_gui.api.notices import (
    LEFT_OUT_HEADER,
    MOVED_HEADER,
    NOT_ENFORCED_HEADER,
    SCALED_DOWN_HEADER,
    TRANSCRIBED_HEADER,
    Notices,
)
from mlx_gui.api.visitor import let_read, visitor_of
from mlx_gui.core.errors import InternalError
from mlx_gui.core.program import explained

REQUEST_ID_HEADER = "x-request-id"
_ANTHROPICS_REQUEST_ID_HEADER = "request-id"
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Border:
    """ASGI middleware; the request id is in `scope["state"]["request_id"]` and on every log line.

    It is the client's own if that is sane, so it names a request for people but may not be unique.
    Beside it are the request's `Notices`, which go out with the status line.
    """

    def __init__(self, app: ASGIApp, *, errors: ErrorResponses) -> None:
        self.app = app
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        notices = state["notices"] = Notices()
        started_at_s = time.perf_counter()
        status: int | None = None
        told = False

        def tell() -> None:
            nonlocal told
            if not told:
                told = True
                _log_notices(notices)
                _log_end(scope, status=status, duration_s=time.perf_counter() - started_at_s)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = headers[_ANTHROPICS_REQUEST_ID_HEADER] = request_id
                headers.update(notices.headers())
                let_read(headers, visitor_of(scope))
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                # What goes on afterwards, like a load that nobody waits for, is not the request.
                tell()

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception:
                log.exception("request_crashed")
                if status is None:
                    error = InternalError(
                        "The server failed to answer this request.",
                        hint="The server's log has the reason under this request id.",
                    )
                    answer = self._errors.response(scope, explained(error))
                    await answer(scope, receive, send_with_id)
            tell()


def _request_id(scope: Scope) -> str:
    asked = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
    return asked if _SANE_REQUEST_ID.fullmatch(asked) else uuid4().hex


def _log_notices(notices: Notices) -> None:
    headers = notices.headers()
    if headers:
        log.info(
            "request_noticed",
            left_out=headers.get(LEFT_OUT_HEADER),
            not_enforced=headers.get(NOT_ENFORCED_HEADER),
            scaled_down=headers.get(SCALED_DOWN_HEADER),
            moved=headers.get(MOVED_HEADER),
            transcribed=headers.get(TRANSCRIBED_HEADER),
        )


def _log_end(scope: Scope, *, status: int | None, duration_s: float) -> None:
    error = scope["state"].get("error_code")
    unremarkable = scope["method"] in ("GET", "HEAD") and error is None
    write = log.debug if unremarkable else log.info
    write(
        "request_finished",
        method=scope["method"],
        path=scope["path"],
        status=status,
        error=error,
        duration_ms=round(duration_s * 1000, 1),
    )
