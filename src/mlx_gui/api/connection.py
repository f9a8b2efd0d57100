"""Connections that the server ends by itself when a client rests, or sends what no client does.

uvicorn waits for a request for as long as it takes to come, takes heads of any size, and closes a
connection when all that was written to it has gone out. A client that rests and stays would hold
its socket for ever; one that never ends its headers would fill the memory.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Never, cast
from urllib.parse import unquote

import httptools
from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mlx_gui.api.hangup import hang_up
from mlx_gui.core.errors import (
    AddressTooLong,
    Cancelled,
    HeadersTooLarge,
    InvalidRequest,
    MlxGuiError,
)

MAX_TARGET_BYTES = 16 * 1024
MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 256
_FRAMING_BYTES = 64 * 1024
_FRAMING_PER_BYTE = 16
"""What a chunked body may take besides itself: its chunks of one byte take five more each."""
_SHOWN_TARGET_BYTES = 256
_ABORT_EXTENSION = "mlx_gui.abort"
_REFUSAL_EXTENSION = "mlx_gui.refusal"
_ABORT_S = 1.0
"""The loop ends an aborted connection in its next turn; a pipelined one is never told."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, ended when the rest of a request does not come for `stall_s()`.

    Each request may abort the connection that it came by. One that is no HTTP, or larger than any
    client sends, is not read any further: the application gets it without what it holds, and the
    refusal to answer it with (`refusal_of`).
    """

    _arriving = True
    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _header_bytes = 0
    _loose_bytes = 0
    """Of what arrived since the head began, or ended, all that nobody was given."""
    _body_bytes = 0
    _refusal: MlxGuiError | None = None
    _refused = False
    url = b""

    @staticmethod
    def stall_s() -> float:
        """How long the rest of a request may take to come; `connections` says otherwise."""
        return 30.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            # Dropped: whoever still sends would not read the refusal if the connection broke.
            return
        self._loose_bytes += len(data)
        super().data_received(data)
        if not self._refused and self._loose_bytes > self._most_loose_bytes():
            self._refuse(_too_large() if self._in_head else _too_much_framing())
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arriving = self._in_head = True
        self._header_bytes = self._loose_bytes = self._body_bytes = 0
        self.scope["extensions"] = {_ABORT_EXTENSION: {"abort": self.transport.abort}}

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            self._give_up(
                AddressTooLong(
                    f"The address of the request has more than {MAX_TARGET_BYTES} bytes.",
                    hint="Send what is long in the body.",
                )
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # What comes behind a body has no meaning here, and must not look like a header.
            return
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADER_BYTES or len(self.headers) == MAX_HEADERS:
            self._give_up(_too_large())
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head = False
        self._loose_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._loose_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._arriving = False
        self._in_head = True
        self._loose_bytes = 0
        self.url = b""

    def send_400_response(self, msg: str) -> None:
        """Called in place of an answer to what cannot be read, or is not read any further."""
        self._refuse(
            self._refusal
            or InvalidRequest(
                "This is no request that HTTP/1.1 knows.", hint="Send it with a client for HTTP."
            )
        )

    def _most_loose_bytes(self) -> int:
        if self._in_head:
            return MAX_TARGET_BYTES + MAX_HEADER_BYTES
        return _FRAMING_BYTES + _FRAMING_PER_BYTE * self._body_bytes

    def _give_up(self, refusal: MlxGuiError) -> Never:
        """To be called by the parser, which reads no further then."""
        self._refusal = refusal
        raise refusal

    def _refuse(self, refusal: MlxGuiError) -> None:
        """Answer the request that arrives by `refusal`, then close.

        Behind an answer that is under way nothing is said: the connection ends with that one.
        """
        self._refused = True
        self._arriving = False
        self._rest()
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is None or (self._in_head and cycle.response_complete):
            self._answer(refusal)
        elif cycle.response_complete:
            self.transport.close()
        elif self._in_head or cycle.response_started:
            cycle.keep_alive = False
            self.pipeline.clear()
        else:
            # The application waits for the rest of this body; it is told that none will come.
            cycle.disconnected = True
            cycle.message_event.set()
            self._answer(refusal)

    def _answer(self, refusal: MlxGuiError) -> None:
        parser = cast(httptools.HttpRequestParser, self.parser)
        method = parser.get_method().decode("ascii") if self.url else "GET"
        path = _path(self.url)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": [],
            "state": self.app_state.copy(),
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "extensions": {_REFUSAL_EXTENSION: refusal},
        }
        self.cycle = RequestResponseCycle(
            scope=cast(Any, scope),
            transport=cast(asyncio.Transport, _HalfClosing(self.transport)),
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = False
        self.flow.resume_reading()
        self._start_asgi_task(self.cycle, cast(Any, self.app))

    def _wait(self) -> None:
        """For more, if there is more to come."""
        self._rest()
        if self._arriving and not self.transport.is_closing():
            self._timer = self.loop.call_later(self.stall_s(), self._on_stall)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_stall(self) -> None:
        if self.flow.read_paused:
            # It is the server that takes nothing.
            self._wait()
        else:
            # Without a word: browsers open connections in advance, and show what they find there.
            self.transport.abort()


def connections(stall_s: Callable[[], float]) -> type[Connection]:
    """Connections that wait so long for the rest of a request."""
    return type("Connection", (Connection,), {"stall_s": staticmethod(stall_s)})


def refusal_of(scope: Scope) -> MlxGuiError | None:
    """What the request is to be answered with, because it was not read to its end."""
    return scope.get("extensions", {}).get(_REFUSAL_EXTENSION)


async def abort(scope: Scope, receive: Receive) -> None:
    """End the request's connection, and lose what has not been sent.

    To be called in place of the rest of the response. Does nothing under a server whose connections
    cannot be aborted.
    """
    extension = scope.get("extensions", {}).get(_ABORT_EXTENSION)
    if extension is None:
        return
    extension["abort"]()
    with suppress(Cancelled, TimeoutError):
        async with asyncio.timeout(_ABORT_S):
            await hang_up(receive)


class _HalfClosing:
    """A transport whose `close` ends what we say and still takes what comes.

    To break the connection while the client sends would take the answer from it. uvicorn closes the
    rest when the client does not, after the time that it keeps an idle connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if not self._transport.is_closing():
            self._transport.write_eof()


def _path(target: bytes) -> str:
    """The path in what may be the beginning of a target only."""
    try:
        path = httptools.parse_url(target[:_SHOWN_TARGET_BYTES]).path
        return unquote(path.decode("ascii")) if path else "/"
    except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
        return "/"


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(
        f"The request has more than {MAX_HEADERS} headers, or more than {MAX_HEADER_BYTES} bytes "
        "in them.",
        hint="Send fewer and shorter headers; a browser's cookies are among them.",
    )


def _too_much_framing() -> InvalidRequest:
    return InvalidRequest(
        "The body has more around its chunks than in them.",
        hint="Send larger chunks, without extensions and trailers.",
    )
