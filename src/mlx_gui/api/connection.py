"""Connections that the server ends by itself when a client takes or sends nothing any more.

uvicorn waits for a request for as long as it takes to come, and closes a connection when all that
was written to it has gone out. A client that rests and stays would hold its socket for ever.
"""

import asyncio
from contextlib import suppress
from typing import ClassVar

from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlx_gui.api.hangup import hang_up
from mlx_gui.core.errors import Cancelled

_EXTENSION = "mlx_gui.abort"
_ABORT_S = 1.0
"""The loop ends an aborted connection in its next turn; a pipelined one is never told."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, ended when the rest of a request does not come for `stall_s`.

    Each request may abort the connection that it came by.
    """

    stall_s: ClassVar[float] = 30.0
    _arriving = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arriving = True
        self.scope["extensions"] = {_EXTENSION: {"abort": self.transport.abort}}

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._arriving = False

    def _wait(self) -> None:
        """For more, if there is more to come."""
        self._rest()
        if self._arriving and not self.transport.is_closing():
            self._timer = self.loop.call_later(self.stall_s, self._on_stall)

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


def connections(stall_s: float) -> type[Connection]:
    """Connections that wait so long for the rest of a request."""
    return type("Connection", (Connection,), {"stall_s": stall_s})


async def abort(scope: Scope, receive: Receive) -> None:
    """End the request's connection, and lose what has not been sent.

    To be called in place of the rest of the response. Does nothing under a server whose connections
    cannot be aborted.
    """
    extension = scope.get("extensions", {}).get(_EXTENSION)
    if extension is None:
        return
    extension["abort"]()
    with suppress(Cancelled, TimeoutError):
        async with asyncio.timeout(_ABORT_S):
            await hang_up(receive)
