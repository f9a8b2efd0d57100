"""What is answered while the API is not there yet: the same as later, or later."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlx_gui.api.opening import Opening
from tests.unit.api.parts import DEADLINE_S, application, config, services

ELSEWHERE, HERE = "192.168.1.9", "127.0.0.1"
HOST = {"host": "localhost"}
NAMED = {**HOST, "x-request-id": "mine"}

REQUESTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "plain": (HERE, "/health", NAMED),
    "with slashes too many": (HERE, "/health//", NAMED),
    "of a page of ours": (HERE, "/health", {**NAMED, "origin": "http://localhost"}),
    "of a page of this machine": (HERE, "/health", {**NAMED, "origin": "http://localhost:3000"}),
    "of a foreign page": (HERE, "/health", {**NAMED, "origin": "https://evil.example"}),
    "to a foreign host": (HERE, "/health", {**NAMED, "host": "evil.example"}),
    "from elsewhere": (ELSEWHERE, "/health", NAMED),
    "from elsewhere with the token": (
        ELSEWHERE,
        "/health",
        {**NAMED, "authorization": "Bearer secret-token"},
    ),
    "with a body": (HERE, "/health", {**NAMED, "content-type": "text/plain"}),
    "with a large body": (HERE, "/health", {**NAMED, "content-length": "100000"}),
}


def test_a_request_for_health_is_answered_at_once(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, _: Opening) -> httpx.Response:
        return await client.get("/health", headers=HOST)

    answer = opened(tmp_path, ask)

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


@pytest.mark.parametrize("case", REQUESTS)
def test_it_is_answered_or_refused_as_it_is_later(tmp_path: Path, case: str) -> None:
    peer, path, headers = REQUESTS[case]
    body = b"{}" if case == "with a body" else None

    async def ask(client: httpx.AsyncClient, opening: Opening) -> list[httpx.Response]:
        early = await client.request("GET", path, headers=headers, content=body)
        complete(opening)
        return [early, await client.request("GET", path, headers=headers, content=body)]

    early, late = opened(tmp_path, ask, peer=peer)

    assert early.status_code == late.status_code
    assert early.content == late.content
    assert early.headers == late.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/ready"),
        ("GET", "/"),
        ("GET", "/nowhere"),
        ("HEAD", "/health"),
        ("POST", "/health"),
        ("OPTIONS", "/health"),
    ],
)
def test_every_other_request_waits_for_the_api(tmp_path: Path, method: str, path: str) -> None:
    async def ask(client: httpx.AsyncClient, opening: Opening) -> list[httpx.Response]:
        early = asyncio.create_task(client.request(method, path, headers=NAMED))
        # Answered at once, and after the other had its turn.
        for _ in range(3):
            await client.get("/health", headers=HOST)
        assert not early.done()
        complete(opening)
        return [await early, await client.request(method, path, headers=NAMED)]

    early, late = opened(tmp_path, ask)

    assert early.status_code == late.status_code
    assert early.content == late.content


def test_a_stopping_server_says_so_from_the_first_moment(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, _: Opening) -> list[dict[str, Any]]:
        parts = services(config(tmp_path))
        running = asyncio.create_task(parts.models.run_loop.run())
        stopped = httpx.AsyncClient(transport=transport(Opening(parts), HERE))
        before = await stopped.get("http://localhost/health")
        await parts.models.run_loop.shutdown(0)
        after = await stopped.get("http://localhost/health")
        running.cancel()
        return [before.json(), after.json()]

    before, after = opened(tmp_path, ask)

    assert (before["status"], after["status"]) == ("ok", "stopping")


def opened(
    data_dir: Path,
    ask: Callable[[httpx.AsyncClient, Opening], Awaitable[Any]],
    *,
    peer: str = HERE,
) -> Any:
    """What `ask` returns, with a client at `peer` of an opening that nobody has completed."""

    async def run() -> Any:
        opening = Opening(services(config(data_dir)))
        async with httpx.AsyncClient(
            transport=transport(opening, peer), base_url="http://localhost"
        ) as client:
            return await asyncio.wait_for(ask(client, opening), DEADLINE_S)

    return asyncio.run(run())


def transport(opening: Opening, peer: str) -> httpx.ASGITransport:
    return httpx.ASGITransport(opening, client=(peer, 50_000))


def complete(opening: Opening) -> None:
    opening.complete(application(opening.services))
