"""Stands between a client and a server, and keeps what they say to each other."""

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.unit.api.parts import serving

_OF_ONE_CONNECTION = frozenset({"host", "connection", "content-length", "transfer-encoding"})


@dataclass(slots=True)
class Exchange:
    """A request, and what was answered."""

    method: str
    path: str
    body: bytes
    status: int = 0
    answer: bytearray = field(default_factory=bytearray)

    def json(self) -> dict[str, Any]:
        """The request's body."""
        return json.loads(self.body)

    def __str__(self) -> str:
        refusal = f": {self.answer.decode(errors='replace')}" if self.status >= 400 else ""
        return f"{self.method} {self.path} {self.status}{refusal}"


@dataclass(frozen=True, slots=True)
class Recorder:
    """`address` is where to ask; `exchanges` are in the order in which they began."""

    address: str
    exchanges: list[Exchange]


@contextmanager
def recording(server: str) -> Iterator[Recorder]:
    """A recorder in front of the server at that address."""
    exchanges: list[Exchange] = []

    async def relay(request: Request) -> StreamingResponse:
        exchange = Exchange(request.method, request.url.path, await request.body())
        exchanges.append(exchange)
        client = httpx.AsyncClient(base_url=server, timeout=None, trust_env=False)
        answer = await client.send(
            client.build_request(
                request.method,
                request.url.path,
                params=request.query_params,
                headers=_forwarded(request.headers),
                content=exchange.body,
            ),
            stream=True,
        )
        exchange.status = answer.status_code

        async def pieces() -> AsyncGenerator[bytes]:
            try:
                async for piece in answer.aiter_raw():
                    exchange.answer.extend(piece)
                    yield piece
            finally:
                await answer.aclose()
                await client.aclose()

        return StreamingResponse(pieces(), answer.status_code, _forwarded(answer.headers))

    app = Starlette(routes=[Route("/{path:path}", relay, methods=["GET", "POST", "HEAD"])])
    with serving(app) as address:
        yield Recorder(address, exchanges)


def _forwarded(headers: Any) -> dict[str, str]:
    return {name: text for name, text in headers.items() if name not in _OF_ONE_CONNECTION}
