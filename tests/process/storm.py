"""Clients of all tempers at once: polite ones, some that hang up, some that read slowly or not at
all, and now and then somebody who kills a worker."""

import asyncio
import random
import socket
from typing import Any

import httpx
import msgspec
import psutil

from tests.process.visitor import chat, script

AT_ONCE = 32
STALL_S = 1.0
"""The server's `client_stall_s`; a client that stalls rests longer."""

_PATIENCE_S = 120
_RECEIVE_BYTES = 4096
_ANSWER = script(text="word", repeat=50, delay_ms=1)
# More than the buffers of both sockets hold, so that the server does notice who reads nothing.
_LONG_ANSWER = script(text="x" * 10_000, repeat=1500)
_FAILURES = (b"worker_failed", b"load_failed")


async def storm(address: str, count: int, *, seed: int) -> list[str]:
    """How each of `count` requests ended.

    `answered`; `hung up`, by the client; `told` that a worker failed; `cut off`, by the server for
    reading nothing; anything else is what the server said.
    """
    dice = random.Random(seed)
    turn = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE * 2)
    async with httpx.AsyncClient(
        base_url=address, limits=limits, timeout=_PATIENCE_S, trust_env=False
    ) as client:

        async def visit(temper: float, other: float) -> str:
            async with turn:
                if temper < 0.02:
                    await _kill_a_worker(client)
                model = "fake/slow-load" if other < 0.05 else "fake/echo"
                if temper < 0.35:
                    return await _hang_up(client, model, patience_s=other * 0.3)
                if temper < 0.40:
                    return await _read_slowly(client.base_url, model)
                if temper < 0.43:
                    return await _read_nothing(client.base_url)
                return await _ask(client, model, stream=temper < 0.7)

        visits = [visit(dice.random(), dice.random()) for _ in range(count)]
        return list(await asyncio.gather(*visits))


async def _ask(client: httpx.AsyncClient, model: str, *, stream: bool) -> str:
    answer = await client.post("/v1/chat/completions", json=chat(model, _ANSWER, stream=stream))
    return _ending(answer.status_code, answer.content)


async def _hang_up(client: httpx.AsyncClient, model: str, *, patience_s: float) -> str:
    try:
        async with asyncio.timeout(patience_s):
            return await _ask(client, model, stream=True)
    except TimeoutError:
        return "hung up"


async def _read_slowly(url: httpx.URL, model: str) -> str:
    """A few bytes, a rest, and so on up to the end."""
    reader, writer = await _connected(url, chat(model, _ANSWER, stream=True))
    received = b""
    while data := await reader.read(1000):
        received += data
        await asyncio.sleep(0.02)
    writer.close()
    return _ending(int(received[9:12]), received)


async def _read_nothing(url: httpx.URL) -> str:
    """The first bytes, a rest that is too long, and then whatever still comes."""
    reader, writer = await _connected(url, chat("fake/echo", _LONG_ANSWER, stream=True))
    received = await reader.read(100)
    await asyncio.sleep(2 * STALL_S)
    try:
        while data := await reader.read(1_000_000):
            received = received[:100] + data[-2000:]
    except ConnectionError:
        pass
    writer.close()
    return "cut off" if b"[DONE]" not in received else "answered"


def unread(url: httpx.URL) -> socket.socket:
    """A connection on which a long stream was asked for; nobody reads it."""
    connection = _narrow_socket()
    connection.connect((url.host, url.port))
    connection.sendall(_request(url, chat("fake/echo", _LONG_ANSWER, stream=True)))
    return connection


async def _connected(
    url: httpx.URL, body: dict[str, Any]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of its own with a narrow way back, on which `body` was sent."""
    connection = _narrow_socket()
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=_RECEIVE_BYTES)
    writer.write(_request(url, body))
    await writer.drain()
    return reader, writer


def _narrow_socket() -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    return connection


def _request(url: httpx.URL, body: dict[str, Any]) -> bytes:
    content = msgspec.json.encode(body)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {url.host}:{url.port}\r\n"
        "content-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _ending(status: int, content: bytes) -> str:
    if any(code in content for code in _FAILURES):
        return "told"
    return "answered" if status == 200 else content.decode(errors="replace")


async def _kill_a_worker(client: httpx.AsyncClient) -> None:
    status = (await client.get("/v1/manager/status")).json()
    for row in status["loaded_models"]:
        if row["state"] in ("ready", "busy"):
            try:
                psutil.Process(row["pid"]).kill()
            except psutil.NoSuchProcess:
                return
            return
