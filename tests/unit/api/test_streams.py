"""Streams over a real connection: when they start, how they end, and who stops whom."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from mlx_gui.api.sse import KEEP_ALIVE_COMMENT, EventStreamResponse
from mlx_gui.core.errors import ContextTooLong, MlxGuiError, QueueTimeout, WorkerFailed
from mlx_gui.core.generation import (
    Delta,
    Event,
    Failed,
    GenerateRequest,
    Prepared,
)
from tests.unit.api.parts import (
    DEADLINE_S,
    Script,
    ScriptedDispatch,
    application,
    config,
    say_hello,
    services,
    serving,
)

TOO_LONG = ContextTooLong("The prompt has 9 tokens, the context 8.", hint="Shorten it.")
CRASHED = WorkerFailed("The worker was killed.", hint="Send it again.")
FLOOD = "x" * 50_000

Events = AsyncGenerator[Event]


def ask(address: str, *, stream: bool) -> httpx.Response:
    body = {
        "model": "org/one",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": stream,
    }
    return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=DEADLINE_S)


def frames(answer: httpx.Response) -> list[str]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    return answer.text.removesuffix("\n\n").split("\n\n")


def send_and_read_some(address: str, *, stream: bool) -> socket.socket:
    """An open connection on which a request was sent; of a stream, some has been read."""
    body = json.dumps(
        {
            "model": "org/one",
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": stream,
        }
    )
    target = urlsplit(address)
    connection = socket.create_connection((target.hostname, target.port), DEADLINE_S)
    connection.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    if stream:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    return connection


async def refuse(_: GenerateRequest) -> Events:
    yield Failed(TOO_LONG.info())


async def fail_at_once(_: GenerateRequest) -> Events:
    raise TOO_LONG
    yield


async def crash_midway(_: GenerateRequest) -> Events:
    yield Prepared(3)
    yield Delta(0, "Hel")
    yield Failed(CRASHED.info())


async def wait_for_ever(_: GenerateRequest) -> Events:
    yield Prepared(3)
    yield Delta(0, "Hel")
    await asyncio.Event().wait()


def test_a_stream_ends_with_its_usage_and_done(address: str, dispatch: ScriptedDispatch) -> None:
    answer = ask(address, stream=True)

    texts = [json.loads(frame[6:])["choices"][0]["delta"] for frame in frames(answer)[:-1]]
    assert texts == [
        {"role": "assistant", "content": ""},
        {"content": "Hello"},
        {"content": " there"},
        {},
    ]
    assert frames(answer)[-1] == "data: [DONE]"
    assert dispatch.closed.is_set()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("script", [refuse, fail_at_once])
def test_what_is_refused_before_it_is_prepared_is_a_plain_error(
    address: str, dispatch: ScriptedDispatch, script: Script, stream: bool
) -> None:
    dispatch.script = script

    answer = ask(address, stream=stream)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert answer.headers["x-should-retry"] == "false"


def test_a_failure_in_a_stream_ends_it_with_an_error_event(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = crash_midway

    answer = ask(address, stream=True)

    error, end = frames(answer)[-2:]
    assert answer.status_code == 200
    assert json.loads(error[6:])["error"]["message"] == CRASHED.message
    assert json.loads(error[6:])["error"]["request_id"] == answer.headers["x-request-id"]
    assert end == "data: [DONE]"


def test_a_failure_midway_of_a_whole_answer_is_a_plain_error_that_may_be_retried(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = crash_midway

    answer = ask(address, stream=False)

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "worker_failed"
    assert answer.headers["retry-after"] == "1"


def test_a_stream_that_waits_is_begun_and_then_fails_by_an_event(
    dispatch: ScriptedDispatch, tmp_path: Path
) -> None:
    committed = threading.Event()

    async def wait_then_refuse(_: GenerateRequest) -> Events:
        await asyncio.to_thread(committed.wait, DEADLINE_S)
        yield Failed(QueueTimeout("It waited too long.").info())

    dispatch.script = wait_then_refuse
    parts = services(config(tmp_path, stream_commit_s=0.05), dispatch=dispatch)
    with (
        serving(application(parts)) as address,
        httpx.stream(
            "POST",
            f"{address}/v1/chat/completions",
            json={
                "model": "org/one",
                "messages": [{"role": "user", "content": "Hi"}],
                "stream": True,
            },
            timeout=DEADLINE_S,
        ) as answer,
    ):
        chunks = answer.iter_bytes()
        assert answer.status_code == 200
        assert next(chunks) == KEEP_ALIVE_COMMENT

        committed.set()
        rest = b"".join(chunks)

    assert b'"code":"queue_timeout"' in rest
    assert rest.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_ends_the_generation(
    address: str, dispatch: ScriptedDispatch, stream: bool
) -> None:
    asked = threading.Event()

    async def announce_and_wait(request: GenerateRequest) -> Events:
        asked.set()
        async for event in wait_for_ever(request):
            yield event

    dispatch.script = announce_and_wait

    with closing(send_and_read_some(address, stream=stream)):
        assert asked.wait(DEADLINE_S)
        assert not dispatch.closed.is_set()

    assert dispatch.closed.wait(DEADLINE_S)


def test_a_client_that_reads_nothing_is_cancelled_and_nothing_piles_up_for_it(
    address: str, dispatch: ScriptedDispatch
) -> None:
    taken = 0

    async def flood(_: GenerateRequest) -> Events:
        nonlocal taken
        yield Prepared(3)
        while True:
            yield Delta(0, FLOOD)
            taken += 1

    dispatch.script = flood

    with closing(send_and_read_some(address, stream=True)):
        assert dispatch.closed.wait(DEADLINE_S)

    # What was taken lies in the sockets' buffers, which the system bounds.
    assert taken * len(FLOOD) < 64_000_000
    dispatch.script = say_hello
    assert ask(address, stream=False).status_code == 200


def test_an_idle_stream_is_kept_alive_by_comments() -> None:
    seen = threading.Event()

    async def quiet() -> AsyncGenerator[bytes]:
        yield b"data: 1\n\n"
        await asyncio.to_thread(seen.wait, DEADLINE_S)
        yield b"data: 2\n\n"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = EventStreamResponse(
            quiet(), error_frame=lambda _: b"", stall_s=DEADLINE_S, keep_alive_s=0.05
        )
        await response(scope, receive, send)

    with serving(app) as address, httpx.stream("GET", address) as answer:
        received = b""
        for chunk in answer.iter_bytes():
            received += chunk
            if received.count(KEEP_ALIVE_COMMENT) >= 2:
                seen.set()

    assert received.startswith(b"data: 1\n\n: ")
    assert received.endswith(b"data: 2\n\n")


def test_a_format_without_comments_is_sent_its_status_line_and_then_nothing() -> None:
    async def quiet() -> AsyncGenerator[bytes]:
        clock = asyncio.get_running_loop().time
        until_s = clock() + 0.1
        while clock() < until_s:
            await asyncio.sleep(0)
        yield b"1\n"

    async def run() -> list[tuple[str, object]]:
        sent: list[tuple[str, object]] = []

        async def send(message: dict[str, object]) -> None:
            sent.append((str(message["type"]), message.get("body")))

        async def receive() -> dict[str, object]:
            await asyncio.Event().wait()
            return {}

        response = EventStreamResponse(
            quiet(),
            error_frame=lambda _: b"",
            stall_s=DEADLINE_S,
            commit_s=0.01,
            keep_alive_s=0.01,
            keep_alive=b"",
            media_type="application/x-ndjson",
        )
        await response({"type": "http"}, receive, send)  # type: ignore[arg-type]
        return sent

    assert asyncio.run(run()) == [
        ("http.response.start", None),
        ("http.response.body", b"1\n"),
        ("http.response.body", b""),
    ]


def test_an_error_before_the_first_frame_is_raised_and_after_it_is_a_frame() -> None:
    async def fail(first: bytes) -> AsyncGenerator[bytes]:
        if first:
            yield first
        raise CRASHED

    async def run(first: bytes) -> list[bytes]:
        sent: list[bytes] = []

        async def send(message: dict[str, object]) -> None:
            sent.append(bytes(message.get("body", b"")))  # type: ignore[arg-type]

        async def receive() -> dict[str, object]:
            await asyncio.Event().wait()
            return {}

        def error_frame(error: MlxGuiError) -> bytes:
            return error.code.encode()

        response = EventStreamResponse(fail(first), error_frame=error_frame, stall_s=DEADLINE_S)
        await response({"type": "http"}, receive, send)  # type: ignore[arg-type]
        return sent

    with pytest.raises(WorkerFailed):
        asyncio.run(run(b""))
    assert asyncio.run(run(b"first")) == [b"", b"first", b"worker_failed", b""]
