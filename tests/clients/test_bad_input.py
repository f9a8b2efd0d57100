"""One row for each error class: the request, its answer, and that the same worker goes on."""

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from mlx_gui.core.errors import error_classes
from mlx_gui.wire.errors import ErrorEnvelope
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until

CHAT = "/v1/chat/completions"
WITNESS = "fake/echo"
ENDLESS = json.dumps({"fake": {"text": "word", "repeat": 3000, "delay_ms": 10}})
TOOL_CHOICE = {"type": "function", "function": {"name": "nobody"}}
PICTURE = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/never-fetched.png"}}

Setup = Literal["usual", "crowded", "small", "broken folders"]
SERVER_SETTINGS: dict[Setup, dict[str, object]] = {
    "usual": {"max_loaded_models": 8},
    "crowded": {"slots": 1, "max_queue": 1, "queue_timeout_s": 3, "stream_commit_s": 0},
    "small": {"memory_limit_bytes": 1_000_000},
    "broken folders": {"engine": "mlx"},
}

WITHOUT_ROW = {
    "worker_out_of_memory": "a real worker must run out of it; tests/process/test_out_of_memory.py",
    "not_ready": "only in the first moments of a start; tests/unit/api shows its shape",
    "shutting_down": "ends the server that the row needs; tests/process asks a stopping server",
    "internal_error": "a fault of ours; tests/unit/api/test_errors.py provokes one",
    "fetch_failed": "only a start fetches anything, the starter model; tests/unit/catalog",
    "disk_full": "a response that cannot be stored is answered all the same; tests/unit/api",
    "store_unavailable": "needs a damaged database; tests/unit/api/test_responses.py damages one",
    "request_cancelled": "somebody else ends it; tests/process/test_request_records.py",
    **dict.fromkeys(
        ("gated_model", "not_servable"), "a hub says so; tests/process/test_refused_downloads.py"
    ),
    **dict.fromkeys(
        ("hub_answer", "hub_unreachable", "model_not_on_hub", "offline"),
        "a hub, or none, is asked; tests/process/test_discover.py and test_refused_downloads.py",
    ),
    "program_gone": "the program must go; tests/process/test_moved_program.py removes one",
    "cancelled": "the client has gone, so nobody reads it; tests/unit/api/test_streams.py",
}


@dataclass(frozen=True, slots=True)
class Row:
    """`during` holds while the request is sent; what it opens is closed after the answer."""

    name: str
    code: str
    status: int
    hint: str
    send: Callable[[httpx.Client], httpx.Response]
    setup: Setup = "usual"
    during: Callable[[httpx.Client], Any] = nullcontext
    message: str = ""


def chat(model: str = WITNESS, text: str = "Hello", **fields: object) -> Callable[..., Any]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return lambda client: client.post(CHAT, json=body)


def complete(**fields: object) -> Callable[..., httpx.Response]:
    body = {"model": WITNESS, "prompt": "Hello", **fields}
    return lambda client: client.post("/v1/completions", json=body)


def load_as_planned(client: httpx.Client, verdict: str) -> httpx.Response:
    """A load by a plan that had said something else."""
    plan = client.post(f"/v1/models/{WITNESS}/plan").raise_for_status().json()
    run, question, _ = plan["plan_token"].split(".")
    body = {"plan_token": f"{run}.{question}.{verdict}"}
    return client.post(f"/v1/models/{WITNESS}/load", json=body)


@contextmanager
def pinned(client: httpx.Client, *names: str) -> Iterator[None]:
    """While these are in memory and may not leave."""

    def pin(name: str, value: bool | None) -> None:
        changed = {"settings": {"pinned": value}}
        client.patch(f"/v1/models/{name}/settings", json=changed).raise_for_status()

    for name in names:
        pin(name, True)
        client.post(f"/v1/models/{name}/load").raise_for_status()
    try:
        yield
    finally:
        for name in names:
            pin(name, None)


@contextmanager
def hasty(client: httpx.Client) -> Iterator[None]:
    """While no load may take as long as one does that is slow by itself, on any machine."""

    def allow(load_timeout_s: float | None) -> None:
        changed = {"settings": {"load_timeout_s": load_timeout_s}}
        client.patch("/v1/settings", json=changed).raise_for_status()

    allow(0.1)
    try:
        yield
    finally:
        allow(None)


def get(path: str, **headers: str) -> Callable[[httpx.Client], httpx.Response]:
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.get(path, headers=dashed)


def post(path: str, **headers: str) -> Callable[[httpx.Client], httpx.Response]:
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.post(path, headers=dashed)


def raw(content: bytes, kind: str = "application/json") -> Callable[..., httpx.Response]:
    return lambda client: client.post(CHAT, content=content, headers={"content-type": kind})


def manager(client: httpx.Client) -> dict[str, Any]:
    return client.get("/v1/manager/status").raise_for_status().json()


@contextmanager
def answering(client: httpx.Client) -> Iterator[None]:
    """While an endless answer is being streamed."""
    body = {"model": WITNESS, "messages": [{"role": "user", "content": ENDLESS}], "stream": True}
    with client.stream("POST", CHAT, json=body):
        wait_until(lambda: manager(client)["active_requests"], what="the answer to begin")
        yield


@contextmanager
def answering_with_one_waiting(client: httpx.Client) -> Iterator[None]:
    """While one answer is being streamed and another request fills the queue."""
    body = {"model": WITNESS, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with answering(client), client.stream("POST", CHAT, json=body):
        wait_until(lambda: manager(client)["queue"], what="the other request to wait")
        yield


ROWS = (
    Row("an unknown model", "model_not_found", 404, "mlx-gui list", chat("no/such")),
    Row("an unknown model to load", "model_not_found", 404, "", post("/v1/models/no/such/load")),
    Row("an unknown path", "not_found", 404, "/docs", get("/v1/nothing")),
    Row("a wrong method", "method_not_allowed", 405, "POST", get(CHAT)),
    Row("a wrong type", "invalid_request", 400, "/docs", chat(temperature="1")),
    Row("a value out of bounds", "invalid_request", 400, "/docs", chat(top_p=2), message="0 and 1"),
    Row("a stop of a wrong type", "invalid_request", 400, "/docs", chat(stop=5)),
    Row("a stop in a list of a wrong type", "invalid_request", 400, "/docs", chat(stop=[5])),
    Row("no messages", "invalid_request", 400, "/docs", chat(messages=[])),
    Row("NaN", "invalid_request", 400, "NaN", raw(b'{"temperature": NaN}')),
    Row("bytes that are not UTF-8", "invalid_request", 400, "UTF-8", raw(b'{"model": "\xff"}')),
    Row("half a surrogate pair", "invalid_request", 400, "UTF-8", raw(b'{"model": "\\ud800"}')),
    Row("a deep pit", "invalid_request", 400, "JSON", raw(b"[" * 100_000)),
    Row(
        "a prompt longer than the context",
        "context_length_exceeded",
        400,
        "Shorten",
        chat(text="word " * 5000),
    ),
    Row(
        "a picture for a model without eyes",
        "capability_missing",
        400,
        "pictures",
        chat(messages=[{"role": "user", "content": [PICTURE]}]),
    ),
    Row("a tool nobody has", "invalid_request", 400, "", chat(tool_choice=TOOL_CHOICE)),
    Row("a schema that is none", "invalid_request", 400, "schema", chat(guided_json={"type": 5})),
    Row(
        "a schema without an end",
        "invalid_request",
        400,
        "way out",
        chat(guided_json={"$ref": "#"}),
        message="no value ever ends",
    ),
    Row("no prompt", "invalid_request", 400, "/docs", complete(prompt="")),
    Row("10,000 prompts", "invalid_request", 400, "/docs", complete(prompt=["a"] * 10_000)),
    Row("a negative token", "invalid_request", 400, "/docs", complete(prompt=[-1])),
    Row("a token of 64 bits", "invalid_request", 400, "/docs", complete(prompt=[2**63])),
    Row("a bias of no token", "invalid_request", 400, "key", complete(logit_bias={"-1": 1})),
    Row(
        "one of two prompts longer than the context",
        "context_length_exceeded",
        400,
        "Shorten",
        complete(prompt=["a", "word " * 9000]),
    ),
    Row(
        "a response that is not stored",
        "previous_response_not_found",
        400,
        "input",
        lambda client: client.post(
            "/v1/responses",
            json={"model": WITNESS, "input": "Hi", "previous_response_id": "resp_" + "0" * 32},
        ),
    ),
    Row(
        "an unknown architecture",
        "model_unsupported",
        400,
        "mlx-gui list",
        chat("org/nonsense"),
        setup="broken folders",
        message="nonsense",
    ),
    Row(
        "corrupt weights",
        "model_unsupported",
        400,
        "mlx-gui list",
        chat("org/corrupt"),
        setup="broken folders",
        message="model.safetensors",
    ),
    Row(
        "a missing tokenizer",
        "model_unsupported",
        400,
        "mlx-gui list",
        post("/v1/models/org/dumb/load"),
        setup="broken folders",
        message="tokenizer",
    ),
    Row(
        "no key from elsewhere",
        "unauthenticated",
        401,
        "Bearer",
        get("/v1/models", x_forwarded_for="203.0.113.9"),
    ),
    Row("long headers", "headers_too_large", 431, "cookies", get("/health", cookie="c" * 100_000)),
    Row("a long address", "address_too_long", 414, "body", get(f"/health?q={'a' * 20_000}")),
    Row("a foreign host name", "forbidden", 403, "allowed_hosts", get("/health", host="evil.test")),
    Row(
        "a foreign page",
        "forbidden",
        403,
        "own address",
        post("/v1/models/echo/unload", origin="http://evil.test"),
    ),
    Row(
        "a foreign page in a browser",
        "forbidden",
        403,
        "own address",
        post("/v1/models/echo/unload", sec_fetch_site="cross-site"),
    ),
    Row(
        "a plan that no longer holds",
        "plan_changed",
        409,
        "plan_token",
        lambda client: load_as_planned(client, "000000000000"),
    ),
    Row(
        "a model beside as many pinned ones as may be there",
        "insufficient_memory",
        503,
        "Unpin",
        chat("fake/slow-load"),
        setup="crowded",
        during=lambda client: pinned(client, "fake/echo", "fake/second", "fake/slow"),
        message="pinned",
    ),
    Row(
        "an unload under an answer",
        "conflict",
        409,
        "force",
        post("/v1/models/echo/unload"),
        during=answering,
    ),
    Row("20 MB", "payload_too_large", 413, "max_body_bytes", raw(b" " * 20_000_000)),
    Row(
        "20 MB in chunks",
        "payload_too_large",
        413,
        "max_body_bytes",
        lambda client: client.post(
            CHAT,
            content=iter([b" " * 1_000_000] * 20),
            headers={"content-type": "application/json"},
        ),
    ),
    Row("a form", "unsupported_media_type", 415, "application/json", raw(b"a=1", "text/plain")),
    Row(
        "a full queue",
        "queue_full",
        429,
        "max_queue",
        chat(),
        setup="crowded",
        during=answering_with_one_waiting,
    ),
    Row("a long wait", "queue_timeout", 504, "later", chat(), setup="crowded", during=answering),
    Row("a worker that dies", "worker_failed", 500, "", chat("fake/crash")),
    Row("a model that cannot be loaded", "load_failed", 500, "", chat("fake/broken")),
    Row(
        "a load that takes too long",
        "load_timeout",
        504,
        "load_timeout_s",
        chat("fake/slow-load"),
        during=hasty,
    ),
    Row("a model beyond the budget", "model_too_large", 507, "", chat(), setup="small"),
)


def write_model(folder: Path, *, model_type: str = "llama", weights: bytes | None = None) -> None:
    """The folder of a model with one tiny tensor, without a tokenizer."""
    tensor = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header = json.dumps(tensor).encode()
    intact = struct.pack("<Q", len(header)) + header + bytes(4)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "model.safetensors").write_bytes(intact if weights is None else weights)


class Servers:
    """A server for each setup, started when its first row comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[Setup, Server] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def get(self, setup: Setup) -> Server:
        if setup not in self._running:
            folder = self._folder / setup.replace(" ", "-")
            settings = dict(SERVER_SETTINGS[setup])
            engine = str(settings.pop("engine", "fake"))
            models = folder / "models"
            write_model(models / "org" / "nonsense", model_type="nonsense")
            write_model(models / "org" / "corrupt", weights=b"\xff" * 100)
            write_model(models / "org" / "dumb")
            server = running_server(
                folder, engine=engine, settings={"model_dirs": models, **settings}
            )
            self._running[setup] = self._stack.enter_context(server)
        return self._running[setup]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


def witness_pid(client: httpx.Client) -> int | None:
    """The process of the model that must come through, when it has answered; None without one."""
    chat(WITNESS)(client)
    loaded = manager(client)["loaded_models"]
    return next((row["pid"] for row in loaded if row["id"] == WITNESS), None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_bad_input_gets_a_clear_answer_and_the_worker_goes_on(servers: Servers, row: Row) -> None:
    with servers.get(row.setup).client() as client:
        before = witness_pid(client)
        with row.during(client):
            answer = row.send(client)

        error = ErrorEnvelope.model_validate_json(answer.content).error
        assert (error.code, answer.status_code) == (row.code, row.status)
        assert row.hint in error.hint
        assert row.message in error.message
        assert error.request_id == answer.headers["x-request-id"]
        assert "Traceback" not in answer.text
        retryable = error_classes()[row.code].retryable
        assert ("retry-after" in answer.headers) == retryable
        assert answer.headers.get("x-should-retry") == (None if retryable else "false")

        wait_until(
            lambda: manager(client)["active_requests"] == 0,
            what="the answers under way to end",
        )
        assert witness_pid(client) == before
        assert (before is None) == (row.setup in ("small", "broken folders"))


def test_every_error_class_has_a_row_or_a_reason_why_not() -> None:
    covered = {row.code for row in ROWS}

    assert covered | WITHOUT_ROW.keys() == error_classes().keys()
    assert covered.isdisjoint(WITHOUT_ROW)
