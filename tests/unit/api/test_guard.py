"""Whom the server answers at all."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from mlx_gui.api.errors import ErrorResponses
from mlx_gui.api.families import FAMILIES, routes_of
from mlx_gui.api.guard import Guard, rules
from mlx_gui.api.intakes import Intakes
from mlx_gui.core.errors import Forbidden, InvalidRequest, PayloadTooLarge, UnsupportedMedia
from tests.unit.api.parts import config

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


def guard(tmp_path: Path, **settings: object) -> Guard:
    async def unreachable(*_: object) -> None:
        raise AssertionError

    held_to = rules(config(tmp_path, **settings))
    return Guard(
        unreachable,
        rules=lambda: held_to,
        errors=ErrorResponses(FAMILIES),
        intake_of=Intakes(routes_of(FAMILIES)).of,
    )


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


FOREIGN_ORIGINS = [
    "http://evil.example",
    "http://evil.example:8000",
    "https://localhost:8000.evil.example",
    "http://localhost.evil.example:8000",
    "http://127.0.0.1.evil.example",
    "http://192.168.1.5:3000",
    "http://[fe80::1]:8000",
    "null",
    "file://",
    "chrome-extension://abcdefghijklmnop",
    "moz-extension://4f6c-1a",
    "safari-web-extension://4F6C-1A",
    "http://[",
    "http://[::1",
    "",
    " ",
    "*",
    "app",
    "app:/obsidian.md",
    "app://obsidian.md/",
    "app://obsidian.md/index.html",
    "apps://obsidian.md",
    "HTTP://localhost:3000",
    "http://LOCALHOST:3000",
    "App://obsidian.md",
    "http://localhost.:8000",
    "http://localhost.:3000",
    "http://127.0.0.1.:3000",
    "http://user@localhost:3000",
    "http://localhost@evil.example",
    "http://localhost:3000@evil.example",
    "http://localhost:3000, http://evil.example",
    "http://localhost:3000 http://evil.example",
    "http://localhost:99999",
    "http://localhost:0",
    "http://localhost:",
    "http://localhost:3000/",
    "http://localhost:3000#",
    "http://127.1:3000",
    "http://2130706433:3000",
    "http://0x7f000001",
    "ftp://localhost",
    "javascript://localhost",
    "http://" + "a" * 10_000,
    "app://" + "a" * 10_000,
    "a" * 10_000,
]


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/api/chat", "/v1/models/a/load"])
def test_foreign_pages_may_neither_change_nor_read(tmp_path: Path, path: str, origin: str) -> None:
    foreign = Headers({"host": "localhost:8000", "origin": origin})

    with pytest.raises(Forbidden, match="may not change") as refusal:
        guard(tmp_path).check("POST", path, foreign)
    assert "allowed_origins" in refusal.value.hint
    assert len(refusal.value.message) < 200
    for method in ("GET", "HEAD", "OPTIONS"):
        with pytest.raises(Forbidden, match="may not read"):
            guard(tmp_path).check(method, path, foreign)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_foreign_page_links_to_is_read_and_nothing_else(tmp_path: Path, site: str) -> None:
    foreign = Headers({"host": "localhost:8000", "sec-fetch-site": site})

    guard(tmp_path).check("GET", "/v1/models", foreign)
    with pytest.raises(Forbidden, match="may not change"):
        guard(tmp_path).check("POST", "/v1/models/a/load", foreign)


def test_a_request_names_its_origin_at_most_once(tmp_path: Path) -> None:
    origins = [b"app://obsidian.md", b"app://obsidian.md"]
    headers = Headers(raw=[(b"host", b"localhost"), *((b"origin", each) for each in origins)])

    with pytest.raises(InvalidRequest, match="2 Origin headers"):
        guard(tmp_path).check("GET", "/v1/models", headers)


@pytest.mark.parametrize(
    ("headers", "standing"),
    [
        ({}, "program"),
        ({"sec-fetch-site": "same-origin"}, "program"),
        ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, "own"),
        ({"origin": "https://localhost:8000"}, "own"),
        # One that a browser calls foreign is not ours, whatever its name.
        ({"origin": "http://localhost:8000", "sec-fetch-site": "cross-site"}, "local"),
        ({"origin": "http://localhost:3000", "sec-fetch-site": "same-site"}, "local"),
        ({"origin": "http://localhost"}, "local"),
        ({"origin": "https://localhost"}, "local"),
        ({"origin": "http://127.0.0.1:8000"}, "local"),
        ({"origin": "http://[::1]:8000"}, "local"),
        ({"origin": "http://0.0.0.0:8000"}, "local"),
        ({"origin": "http://tauri.localhost"}, "local"),
        ({"origin": "https://tauri.localhost", "sec-fetch-site": "cross-site"}, "local"),
        ({"origin": "app://obsidian.md", "sec-fetch-site": "cross-site"}, "local"),
        ({"origin": "app://."}, "local"),
        ({"origin": "app://"}, "local"),
        ({"origin": "tauri://localhost"}, "local"),
        (
            {"origin": "vscode-webview://0fr4b8sldcm3qpn8ph1pqdbl7r1cc7ejk3bc"},
            "local",
        ),
        ({"origin": "vscode-file://vscode-app"}, "local"),
        ({"origin": "capacitor://localhost"}, "local"),
        ({"origin": "ionic://localhost"}, "local"),
        ({"origin": "https://chat.example", "sec-fetch-site": "cross-site"}, "listed"),
        ({"origin": "https://chat.example:8443"}, "listed"),
        ({"origin": "http://localhost:5173"}, "listed"),
        ({"origin": "moz-extension://0b7e-4c"}, "listed"),
        ({"origin": "null"}, "listed"),
        ({"origin": "file://"}, "listed"),
    ],
)
def test_a_page_has_a_standing_by_its_origin(
    tmp_path: Path, headers: dict[str, str], standing: str
) -> None:
    listed = "https://chat.example,https://chat.example:8443,http://localhost:5173"
    listed += ",moz-extension://*,null,file://"
    here = Headers({"host": "localhost:8000", **headers})

    visitor = guard(tmp_path, allowed_origins=listed).check("POST", "/v1/x", here)

    assert visitor.standing == standing


@pytest.mark.parametrize(
    "origin",
    [
        "https://chat.example.",
        "http://chat.example",
        "https://chat.example:1",
        "https://a.chat.example",
    ],
)
def test_only_the_very_origin_that_is_listed_passes(tmp_path: Path, origin: str) -> None:
    listing = guard(tmp_path, allowed_origins="https://chat.example")
    with pytest.raises(Forbidden):
        listing.check("POST", "/v1/x", Headers({"host": "localhost", "origin": origin}))


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
