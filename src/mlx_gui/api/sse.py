"""Streams of events or lines: when one starts, what keeps it alive, and how it ends."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Never

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mlx_gui.api.connection import abort
from mlx_gui.api.hangup import first_of, hang_up
from mlx_gui.core.errors import Cancelled, MlxGuiError

KEEP_ALIVE_S = 10.0
KEEP_ALIVE_COMMENT = b": keep-alive\n\n"
_LINE_BREAKS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPES = [(text.encode(), escape.encode()) for text, escape in _LINE_BREAKS.items()]
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def frame(data: bytes, *, event: str | None = None, id: str | None = None) -> bytes:
    """One server-sent event; `data` is JSON."""
    head = (f"event: {event}\n" if event else "") + (f"id: {id}\n" if id else "")
    return head.encode() + b"data: " + json_line(data) + b"\n"


def json_line(data: bytes) -> bytes:
    """`data` as a line of its own; it is JSON, so it has no line breaks but those of Unicode.

    Those are escaped: no standard breaks lines there, but many clients do.
    """
    for line_break, escape in _ESCAPES:
        data = data.replace(line_break, escape)
    return data + b"\n"


class EventStreamResponse(Response):
    """Sends `frames` as they come, each a whole number of events.

    `keep_alive` is what keeps an idle line open. A format that has no comments gives none: then
    nothing but the status line is sent while `frames` rests.

    The status line goes out with the first frame or after `commit_s`, whichever is first. Before
    that an error of `frames` is raised as any error of a route; after that `error_frame` turns it
    into the stream's last event. Where there is none, as in a file, the connection is aborted, so
    that the client knows that the rest is missing. A client that hangs up, or takes nothing for
    `stall_s`, closes `frames` at once; the connection of the latter is aborted. Nothing is buffered
    here: while the client does not read, `frames` rests.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        *,
        error_frame: Callable[[MlxGuiError], bytes] | None,
        stall_s: float,
        commit_s: float = KEEP_ALIVE_S,
        keep_alive_s: float = KEEP_ALIVE_S,
        keep_alive: bytes = KEEP_ALIVE_COMMENT,
        media_type: str | None = None,
    ) -> None:
        super().__init__(headers=_HEADERS, media_type=media_type)
        del self.headers["content-length"]
        self._frames = frames
        self._error_frame = error_frame
        self._stall_s = stall_s
        self._commit_s = commit_s
        self._keep_alive_s = keep_alive_s
        self._keep_alive_bytes = keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line = _Line(self, send, stall_s=self._stall_s)
        try:
            await first_of(self._pump(line), self._keep_alive(line), hang_up(receive))
        except _ClientStalled:
            log.warning("stream_stalled", stall_s=self._stall_s)
            await abort(scope, receive)
        except _BrokenOff as broken:
            log.warning("stream_broken_off", reason=str(broken))
            await abort(scope, receive)
        except Cancelled:
            if not line.started:
                raise
            log.info("stream_cancelled")

    async def _pump(self, line: "_Line") -> None:
        async with aclosing(self._frames) as frames:
            try:
                async for data in frames:
                    await line.write(data)
            except MlxGuiError as error:
                if not line.started:
                    raise
                if self._error_frame is None:
                    raise _BrokenOff(str(error)) from error
                await line.write(self._error_frame(error))
        await line.end()

    async def _keep_alive(self, line: "_Line") -> Never:
        while True:
            longest_s = self._keep_alive_s if line.started else self._commit_s
            left_s = longest_s - line.idle_s()
            if left_s <= 0:
                await line.write(self._keep_alive_bytes)
            else:
                await asyncio.sleep(min(left_s, self._keep_alive_s))


class _ClientStalled(Exception):
    """The client has taken nothing for too long."""


class _BrokenOff(Exception):
    """Frames have ended by an error that they have no words for."""


class _Line:
    """The way to the client; whoever writes first sends the status line."""

    def __init__(self, response: Response, send: Send, *, stall_s: float) -> None:
        self.started = False
        self._response = response
        self._send = send
        self._stall_s = stall_s
        self._turn = asyncio.Lock()
        self._clock = asyncio.get_running_loop().time
        self._written_at_s = self._clock()

    def idle_s(self) -> float:
        return self._clock() - self._written_at_s

    async def write(self, data: bytes, *, more: bool = True) -> None:
        async with self._turn:
            try:
                async with asyncio.timeout(self._stall_s):
                    await self._start()
                    if data or not more:
                        await self._send(
                            {"type": "http.response.body", "body": data, "more_body": more}
                        )
            except TimeoutError:
                raise _ClientStalled from None
            self._written_at_s = self._clock()

    async def end(self) -> None:
        await self.write(b"", more=False)

    async def _start(self) -> None:
        if self.started:
            return
        self.started = True
        await self._send(
            {
                "type": "http.response.start",
                "status": self._response.status_code,
                "headers": self._response.raw_headers,
            }
        )
