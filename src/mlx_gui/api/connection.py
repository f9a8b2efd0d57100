"""Connections that the server can end by itself, whatever the client does.

uvicorn closes a connection when all that was written to it has gone out. A client that takes
nothing and stays would hold its socket, and what waits for it, for ever.
"""

import asyncio
from contextlib import suppress

from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlx_gui.api.hangup import hang_up
from mlx_gui.core.errors import Cancelled

_EXTENSION = "mlx_gui.abort"
_ABORT_S = 1.0
"""The loop ends an aborted connection in its next turn; a pipelined one is never told."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection; each request may abort the one that it came by."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"abort": self.transport.abort}}


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
