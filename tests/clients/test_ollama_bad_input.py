"""What is refused under `/api` on a real server, after which the same worker goes on."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from mlx_gui.api.ollama.errors import OllamaError
from mlx_gui.core.errors import error_classes
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until

WITNESS = "fake/echo"
CALL = json.dumps({"fake": {"calls": [{"name": "f", "arguments": {}}], "fail_after": 0}})


@dataclass(frozen=True, slots=True)
class Row:
    """A request and its answer; `message` and `hint` are parts of the sentences."""

    name: str
    code: str
    status: int
    send: Callable[[httpx.Client], httpx.Response]
    message: str = ""
    hint: str = ""


def chat(model: str = WITNESS, text: str = "Hello", **fields: object) -> Callable[..., Any]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return lambda client: client.post("/api/chat", json=body)


def generate(**fields: object) -> Callable[..., Any]:
    body = {"model": WITNESS, "prompt": "Hello", **fields}
    return lambda client: client.post("/api/generate", json=body)


def raw(content: bytes, **headers: str) -> Callable[..., Any]:
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.post("/api/chat", content=content, headers=dashed)


ROWS = (
    Row("an unknown model", "model_not_found", 404, chat("no/such"), hint="mlx-gui list"),
    Row("an unknown tag", "model_not_found", 404, chat("fake/echo:7b"), hint="fake/echo"),
    Row("a path that is not served", "not_found", 404, lambda c: c.post("/api/create")),
    Row("a wrong method", "method_not_allowed", 405, lambda c: c.get("/api/chat"), hint="POST"),
    Row("no JSON", "invalid_request", 400, raw(b"model=fake/echo"), hint="JSON"),
    Row("half a surrogate pair", "model_not_found", 404, raw(b'{"model": "\\ud800"}'), "\ufffd"),
    Row("a deep pit", "invalid_request", 400, raw(b"[" * 100_000)),
    Row("a picture", "capability_missing", 400, generate(images=["aGk="]), hint="pictures"),
    Row("a value out of bounds", "invalid_request", 400, chat(top_logprobs=21), "0 and 20"),
    Row("a stop of a wrong type", "invalid_request", 400, chat(options={"stop": [5]})),
    Row("an unknown keep-alive", "invalid_request", 400, chat(keep_alive="soon"), "like 5m"),
    Row(
        "a template around a gap",
        "invalid_request",
        400,
        generate(suffix="end", template="{{ prompt }}"),
        "suffix",
    ),
    Row("a schema without an end", "invalid_request", 400, chat(format={"$ref": "#"}), "`format."),
    Row("a Go template", "invalid_request", 400, generate(template="{{ .Prompt }}"), "Jinja"),
    Row(
        "a prompt longer than the context",
        "context_length_exceeded",
        400,
        chat(text="word " * 5000),
        "4096",
    ),
    Row("a foreign page", "forbidden", 403, raw(b"{}", origin="http://evil.test")),
    Row("a foreign host name", "forbidden", 403, raw(b"{}", host="evil.test")),
    Row("no key from elsewhere", "unauthenticated", 401, raw(b"{}", x_forwarded_for="203.0.113.9")),
    Row("20 MB", "payload_too_large", 413, raw(b" " * 20_000_000)),
    Row("an answer that fails", "worker_failed", 500, chat(text=CALL, stream=False)),
    Row("a worker that dies", "worker_failed", 500, chat("fake/crash", stream=False)),
    Row("a model that cannot be loaded", "load_failed", 500, chat("fake/broken")),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, settings={"max_loaded_models": 8}) as server:
        yield server


def witness_pid(client: httpx.Client) -> int:
    """The process of the model that must come through, when it has answered."""
    assert chat(stream=False)(client).json()["message"]["content"] == "You said: Hello"
    loaded = client.get("/v1/manager/status").json()["loaded_models"]
    return next(row["pid"] for row in loaded if row["id"] == WITNESS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_bad_input_gets_a_clear_answer_and_the_worker_goes_on(server: Server, row: Row) -> None:
    with server.client() as client:
        before = witness_pid(client)

        answer = row.send(client)

        error = OllamaError.model_validate_json(answer.content)
        assert (error.code, answer.status_code) == (row.code, row.status)
        assert row.message in error.error
        assert row.hint in error.hint
        assert error.request_id == answer.headers["x-request-id"]
        assert "Traceback" not in answer.text
        assert ("retry-after" in answer.headers) == error_classes()[row.code].retryable
        wait_until(
            lambda: client.get("/v1/manager/status").json()["active_requests"] == 0,
            what="the answers under way to end",
        )
        assert witness_pid(client) == before
