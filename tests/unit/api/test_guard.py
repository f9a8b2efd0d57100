"""Whom the server answers at all."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from mlx_gui.api.errors import ErrorResponses
from mlx_gui.api.families import FAMILIES
from mlx_gui.api.guard import Guard
from mlx_gui.core.errors import Forbidden, PayloadTooLarge, UnsupportedMedia
from tests.unit.api.parts import config

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


def guard(tmp_path: Path, **settings: object) -> Guard:
    async def unreachable(*_: object) -> None:
        raise AssertionError

    return Guard(unreachable, config=config(tmp_path, **settings), errors=ErrorResponses(FAMILIES))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST",
        "localhost.:8000",
        "127.0.0.1",
        "127.0.0.1:9",
        "127.8.8.8",
        "[::1]",
        "[::1]:8000",
        "my-mac.local:8000",
    ],
)
def test_our_own_names_pass(tmp_path: Path, host: str) -> None:
    guard(tmp_path, allowed_hosts="my-mac.local").check("GET", "/", Headers({"host": host}))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "8.8.8.8", "", "[", "[::2]", "192.168.1.5", "a b"],
)
def test_foreign_names_do_not(tmp_path: Path, host: str) -> None:
    with pytest.raises(Forbidden, match="host name") as refusal:
        guard(tmp_path).check("GET", "/health", Headers({"host": host}))

    assert "allowed_hosts" in refusal.value.hint


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"]])
def test_a_request_names_its_host_exactly_once(tmp_path: Path, hosts: list[str]) -> None:
    headers = Headers(raw=[(b"host", host.encode()) for host in hosts])

    with pytest.raises(Forbidden):
        guard(tmp_path).check("GET", "/", headers)


def test_bound_to_one_address_that_address_passes(tmp_path: Path) -> None:
    bound = guard(tmp_path, host="192.168.1.5")

    bound.check("GET", "/", Headers({"host": "192.168.1.5:8000"}))
    with pytest.raises(Forbidden):
        bound.check("GET", "/", Headers({"host": "192.168.1.6"}))


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_bound_to_all_addresses_any_address_passes_but_no_name(tmp_path: Path, host: str) -> None:
    bound = guard(tmp_path, host=host)

    bound.check("GET", "/", Headers({"host": "192.168.1.5:8000"}))
    with pytest.raises(Forbidden):
        bound.check("GET", "/", Headers({"host": "rebound.example"}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:8000"},
        {"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_our_pages_and_programs_may_change_things(tmp_path: Path, headers: dict[str, str]) -> None:
    here = {"host": "localhost:8000", **headers}

    guard(tmp_path).check("POST", "/v1/models/a/load", Headers(here))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:3000"},
        {"origin": "https://localhost:8000.evil.example"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "null"},
        {"origin": "file://"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://localhost:8000", "sec-fetch-site": "cross-site"},
    ],
)
def test_foreign_pages_may_not(tmp_path: Path, headers: dict[str, str]) -> None:
    foreign = Headers({"host": "localhost:8000", **headers})

    guard(tmp_path).check("GET", "/v1/models", foreign)
    with pytest.raises(Forbidden, match="may not change"):
        guard(tmp_path).check("POST", "/v1/models/a/load", foreign)


def test_a_default_port_need_not_be_written(tmp_path: Path) -> None:
    behind_tls = {"host": "box.example", "origin": "https://box.example:443"}

    guard(tmp_path, allowed_hosts="box.example").check("POST", "/v1/x", Headers(behind_tls))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-length": "0"},
        {"content-length": "2", "content-type": "application/json"},
        {"content-length": "2", "content-type": "Application/JSON; charset=utf-8"},
    ],
)
def test_json_and_no_body_at_all_pass(tmp_path: Path, headers: dict[str, str]) -> None:
    guard(tmp_path).check("POST", CHAT, Headers({"host": "localhost", **headers}))


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "2"},
        {"content-length": "2", "content-type": "text/plain"},
        {"content-length": "2", "content-type": "application/x-www-form-urlencoded"},
        {"content-length": "2", "content-type": "multipart/form-data; boundary=x"},
        {"transfer-encoding": "chunked", "content-type": "text/plain"},
    ],
)
def test_other_bodies_do_not(tmp_path: Path, headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMedia, match="application/json"):
        guard(tmp_path).check("POST", CHAT, Headers({"host": "localhost", **headers}))


@pytest.mark.parametrize("coding", ["gzip", "br", " Deflate"])
def test_a_compressed_body_is_refused_by_the_name_of_its_coding(
    tmp_path: Path, coding: str
) -> None:
    headers = {"host": "localhost", "content-length": "2", "content-encoding": coding, **JSON}
    with pytest.raises(UnsupportedMedia, match=f"compressed .{coding.strip().lower()}."):
        guard(tmp_path).check("POST", CHAT, Headers(headers))
    plain = Headers({**headers, "content-encoding": "identity"})
    guard(tmp_path).check("POST", CHAT, plain)


def test_a_body_that_says_it_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    headers = Headers({"host": "localhost", "content-length": "2000", **JSON})

    with pytest.raises(PayloadTooLarge, match="2000 bytes; this server takes 1024"):
        guard(tmp_path, max_body_bytes=1024).check("POST", CHAT, headers)


def test_a_refusal_has_the_shape_of_any_error(address: str) -> None:
    answer = httpx.get(f"{address}/v1/models", headers={"host": "evil.example"})

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_gets_413_however_it_is_sent(address: str, chunked: bool) -> None:
    content = iter([b" " * 60_000] * 3) if chunked else b" " * 180_000

    answer = httpx.post(f"{address}{CHAT}", content=content, headers=JSON)

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "payload_too_large"
    assert "max_body_bytes" in answer.json()["error"]["hint"]


def test_a_websocket_is_refused(tmp_path: Path) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(guard(tmp_path)({"type": "websocket"}, receive, send))
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
