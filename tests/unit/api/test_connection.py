"""Requests that no client sends: how much of them is read, and what is said to them."""

import json
import select
import socket
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from mlx_gui.api.connection import MAX_HEADER_BYTES, MAX_HEADERS, MAX_TARGET_BYTES
from tests.unit.api.parts import DEADLINE_S, MODEL, ScriptedDispatch

PIECE = 64 * 1024
ENDLESS = 64 * 1024 * 1024
BODY = json.dumps(
    {"model": MODEL.id, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
).encode()
PATHS = ["/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/models", "/nothing"]


@contextmanager
def connected(address: str) -> Generator[socket.socket]:
    target = urlsplit(address)
    with socket.create_connection((target.hostname, target.port), DEADLINE_S) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    return b"".join(iter(lambda: connection.recv(PIECE), b""))


def parsed(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return int(status.split()[1]), {name.lower(): value for name, value in pairs}, body


def ask(address: str, *pieces: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to what is sent, all of it before anything is read."""
    with connected(address) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return parsed(read_all(connection))


def head(path: str, *lines: bytes, method: str = "POST") -> bytes:
    start = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n".encode()
    return (
        start + b"content-type: application/json\r\n" + b"".join(line + b"\r\n" for line in lines)
    )


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def assert_refused(answer: tuple[int, dict[str, str], bytes], *, path: str, code: str) -> None:
    status, headers, body = answer
    error = json.loads(body)
    if path.startswith("/api/"):
        assert error["code"] == code
        assert isinstance(error["error"], str)
    else:
        assert error["error"]["code"] == code
        assert (error.get("type") == "error") == path.startswith("/v1/messages")
    assert headers["x-request-id"]
    assert headers["connection"] == "close"
    assert status == {"headers_too_large": 431, "address_too_long": 414}.get(code, 400)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "lines",
    [
        [b"x-long: " + b"a" * 500_000],
        [b"a" * 500_000 + b": x"],
        [b"x: y"] * 20_000,
        [b"x-%d: y" % number for number in range(MAX_HEADERS + 1)],
        [b"cookie: " + b"c" * 8_000] * 9,
    ],
    ids=["a long value", "a long name", "20,000", "one too many", "too much in all"],
)
def test_heads_that_are_too_large_are_refused_in_the_familys_shape(
    address: str, dispatch: ScriptedDispatch, path: str, lines: list[bytes]
) -> None:
    answer = ask(address, head(path, *lines), b"\r\n")

    assert_refused(answer, path=path, code="headers_too_large")
    assert dispatch.asked == []


@pytest.mark.parametrize("path", PATHS)
def test_a_long_address_is_refused_in_the_familys_shape(address: str, path: str) -> None:
    for target in (f"{path}?q={'a' * 2_000_000}", f"{path}/{'b' * MAX_TARGET_BYTES}"):
        answer = ask(address, head(target, method="GET"), b"\r\n")
        assert_refused(answer, path=path, code="address_too_long")


def test_what_a_client_may_send_is_read(address: str) -> None:
    lines = [b"x-%d: %s" % (n, b"y" * 240) for n in range(MAX_HEADERS - 10)]
    assert sum(map(len, lines)) < MAX_HEADER_BYTES
    length = b"content-length: %d" % len(BODY)
    target = f"/v1/chat/completions?q={'a' * (MAX_TARGET_BYTES - 100)}"

    assert ask(address, head(target, *lines, length), b"\r\n", BODY)[0] == 200


@pytest.mark.parametrize(
    ("start", "piece", "code"),
    [
        (b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-long: ", b"a" * PIECE, 431),
        (b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n", b"x: y\r\n" * 10_000, 431),
        (b"GET /v1/models HTTP/1.1\r\n", b"a" * PIECE, 431),
        (b"GET /v1/models?q=", b"a" * PIECE, 414),
        (b"GET /", b"a" * PIECE, 414),
        (b"", b"\r\n" * (PIECE // 2), 431),
        (b"", b"A" * PIECE, 400),
        (head("/v1/messages", b"transfer-encoding: chunked") + b"\r\n1;", b"a" * PIECE, 400),
        (head("/v1/messages", b"transfer-encoding: chunked") + b"\r\n", b"0" * PIECE, 400),
        (
            head("/v1/messages", b"transfer-encoding: chunked") + b"\r\n0\r\nx-long: ",
            b"a" * PIECE,
            400,
        ),
        (
            head("/v1/messages", b"transfer-encoding: chunked") + b"\r\n0\r\n",
            b"x-trailer: y\r\n" * 4000,
            400,
        ),
        (
            head("/v1/messages", b"transfer-encoding: chunked") + b"\r\n",
            chunk(b" ", b";" + b"e" * 1000) * 60,
            400,
        ),
    ],
)
def test_what_never_ends_is_answered_before_it_does(
    address: str, start: bytes, piece: bytes, code: int
) -> None:
    with connected(address) as connection:
        connection.sendall(start)
        connection.setblocking(False)
        sent = 0
        while not (answered := select.select([connection], [connection], [], DEADLINE_S)[0]):
            sent += connection.send(piece)
            assert sent < ENDLESS
        assert answered == [connection]
        status, headers, _ = parsed(connection.recv(PIECE))
    assert (status, headers["content-type"]) == (code, "application/json")


def test_a_little_around_the_chunks_is_read(address: str, dispatch: ScriptedDispatch) -> None:
    lines = b"".join(chunk(BODY[n : n + 1], b";a=b") for n in range(len(BODY)))
    end = b"0;last\r\nauthorization: Bearer x\r\nx-forwarded-for: 203.0.113.9\r\n\r\n"
    request = head("/v1/chat/completions", b"transfer-encoding: chunked") + b"\r\n" + lines + end

    assert ask(address, request)[0] == 200
    assert len(dispatch.asked) == 1


def test_what_comes_behind_a_body_is_no_header(address: str) -> None:
    chunked = b"transfer-encoding: chunked"
    whole = [
        b"\r\n",
        chunk(BODY[:10]),
        chunk(BODY[10:]) + b"0\r\nx-mlx-gui-priority: nonsense\r\n\r\n",
    ]

    assert ask(address, head("/v1/chat/completions", chunked), *whole)[0] == 200


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"ASK / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET x HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_what_is_no_http_is_answered_as_any_error(address: str, request_line: bytes) -> None:
    answer = ask(address, request_line)

    assert_refused(answer, path="/", code="invalid_request")


def test_an_answer_that_is_under_way_ends_before_the_connection_does(address: str) -> None:
    length = b"content-length: %d" % len(BODY)
    first = head("/v1/chat/completions", length).replace(b"connection: close\r\n", b"")
    status, headers, body = ask(
        address, first + b"\r\n" + BODY + b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 300
    )

    assert status == 200
    answer_bytes = int(headers["content-length"])
    answer = json.loads(body[:answer_bytes])
    assert answer["choices"][0]["message"]["content"] == "Hello there"
    if behind := body[answer_bytes:]:
        # The answer was complete before the headers came: they are refused by themselves.
        assert parsed(behind)[0] == 431


def test_a_refusal_leaves_the_server_as_it_was(address: str) -> None:
    length = b"content-length: %d" % len(BODY)
    for _ in range(3):
        assert ask(address, head("/", b"x: y" * 100_000), b"\r\n")[0] == 431
        assert ask(address, head("/v1/chat/completions", length), b"\r\n", BODY)[0] == 200
