"""The client against a small HTTP server that says what a real one, or anything else, may say."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.client import (
    AnswerOptions,
    AnswerPiece,
    ChatMessage,
    Client,
    ServerUnreachable,
    parse_sse,
    read_runtime,
)
from mlx_gui.core.errors import (
    InternalError,
    InvalidRequest,
    ModelNotFound,
    PlanChanged,
    QueueFull,
    WorkerFailed,
)
from mlx_gui.core.runtime import Runtime
from mlx_gui.wire.model_settings import ModelSettingBody, ModelSettingsBody
from mlx_gui.wire.status import HelloEvent, RemovedModel

DEADLINE_S = 20
QUESTION = [ChatMessage("user", "Hello")]

Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers every request with the server's one reply and keeps what was asked."""

    server: "ScriptedServer"

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self.server.asked.append((self.command, self.path, self.rfile.read(length)))
        self.server.headers_seen.append(dict(self.headers.items()))
        self.server.reply(self)

    do_POST = do_GET
    do_PATCH = do_GET
    do_DELETE = do_GET

    def send(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing on stderr."""


class ScriptedServer(ThreadingHTTPServer):
    """Serves from a thread; `reply` may be changed between requests."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply: Reply = lambda handler: handler.send(200, b"{}")
        self.asked: list[tuple[str, str, bytes]] = []
        self.headers_seen: list[dict[str, str]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as scripted:
        thread = threading.Thread(target=scripted.serve_forever, args=(0.02,))
        thread.start()
        yield scripted
        scripted.shutdown()
        thread.join(DEADLINE_S)


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.address) as made:
        yield made


def answers(status: int, body: object) -> Reply:
    return lambda handler: handler.send(status, json.dumps(body).encode())


def streams(*events: str) -> Reply:
    body = "".join(f"{event}\n\n" for event in events).encode()
    return lambda handler: handler.send(200, body, "text/event-stream")


def data(**body: object) -> str:
    return "data: " + json.dumps(body)


def delta(text: str) -> str:
    return data(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}])


def refusal(code: str, message: str = "It is so.", **more: Any) -> dict[str, object]:
    fields = {"type": "t", "param": None, "hint": "", "details": {}, "request_id": "r"} | more
    return {"error": {"message": message, "code": code, **fields}}


def test_a_refusal_is_raised_as_the_class_that_it_was_on_the_server(
    client: Client, server: ScriptedServer
) -> None:
    server.reply = answers(
        404,
        refusal(
            "model_not_found",
            "There is no model x.",
            hint="Did you mean y?",
            param="model",
            details={"model": "x"},
        ),
    )
    with pytest.raises(ModelNotFound) as caught:
        client.model("x")
    assert caught.value.message == "There is no model x."
    assert caught.value.hint == "Did you mean y?"
    assert caught.value.details == {"model": "x", "param": "model"}


def test_a_code_of_a_newer_server_is_raised_as_an_internal_error(
    client: Client, server: ScriptedServer
) -> None:
    server.reply = answers(500, refusal("invented_later"))
    with pytest.raises(InternalError, match="It is so"):
        client.models()


def test_a_refusal_before_a_stream_begins_is_raised_by_the_call(
    client: Client, server: ScriptedServer
) -> None:
    server.reply = answers(429, refusal("queue_full"))
    with pytest.raises(QueueFull):
        client.chat("m", QUESTION)


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (502, b"<html>"), (200, b'{"object": "list"}')]
)
def test_an_answer_of_another_program_is_named_as_such(
    client: Client, server: ScriptedServer, status: int, body: bytes
) -> None:
    server.reply = lambda handler: handler.send(status, body)
    with pytest.raises(ServerUnreachable, match="is not an mlx-gui server") as caught:
        client.models()
    assert caught.value.hint


def test_a_closed_port_is_reported_with_how_to_start_the_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        Client(f"http://127.0.0.1:{port}") as nobody,
        pytest.raises(ServerUnreachable, match=f"No server answers at .*:{port}") as caught,
    ):
        nobody.health()
    assert "mlx-gui start" in caught.value.hint


def test_a_server_that_says_nothing_is_given_up(server: ScriptedServer) -> None:
    enough = threading.Event()
    server.reply = lambda handler: enough.wait(DEADLINE_S) and None
    with (
        Client(server.address, timeout_s=0.05) as hasty,
        pytest.raises(ServerUnreachable, match="too long"),
    ):
        hasty.health()
    enough.set()


def test_a_server_that_hangs_up_is_reported(client: Client, server: ScriptedServer) -> None:
    server.reply = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ServerUnreachable, match="ended the connection"):
        client.health()


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8000", "localhost", "ftp://x", "http://[::1", "http://", "http://:80"]
)
def test_what_is_no_address_is_said_to_be_none(address: str) -> None:
    with (
        pytest.raises(ServerUnreachable, match="is not an address") as caught,
        Client(address) as nowhere,
    ):
        nowhere.health()
    assert "http://" in caught.value.hint


def test_the_text_of_an_answer_comes_piece_by_piece(client: Client, server: ScriptedServer) -> None:
    server.reply = streams(
        data(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}]),
        ": keep-alive",
        delta("Hel"),
        delta("lo\u2028\x85 there"),
        data(choices=[{"index": 0, "delta": {}, "finish_reason": "length"}]),
        data(
            choices=[],
            words=[],
            usage={"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
        ),
        "data: [DONE]",
    )
    with client.chat("m", QUESTION) as stream:
        assert [piece.text for piece in stream] == ["Hel", "lo\u2028\x85 there"]
    assert stream.finish_reason == "length"
    assert stream.usage is not None
    assert (stream.usage.prompt_tokens, stream.usage.completion_tokens) == (7, 2)


def test_only_chosen_options_are_sent(client: Client, server: ScriptedServer) -> None:
    server.reply = streams("data: [DONE]")
    client.chat("m", QUESTION, AnswerOptions(temperature=0.0, seed=0, stop=("a",))).close()
    method, path, body = server.asked[0]
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert json.loads(body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "seed": 0,
        "stop": ["a"],
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_lacks_is_refused_before_it_is_sent(
    client: Client, server: ScriptedServer, value: float
) -> None:
    with pytest.raises(InvalidRequest, match="top_p is "):
        client.chat("m", QUESTION, AnswerOptions(top_p=value))
    with pytest.raises(InvalidRequest, match="temperature is "):
        client.change_model_settings("m", {"temperature": value})
    with pytest.raises(InvalidRequest, match="NaN and infinity"):
        client.change_model_settings("m", {"template_arguments": {"a": [value]}})
    assert server.asked == []


def test_text_that_is_no_utf8_is_refused_before_it_is_sent(
    client: Client, server: ScriptedServer
) -> None:
    with pytest.raises(InvalidRequest, match="not UTF-8"):
        client.chat("m", [ChatMessage("user", "caf\udce9")])
    assert server.asked == []


def test_thoughts_come_apart_from_the_answer(client: Client, server: ScriptedServer) -> None:
    thought = {"index": 0, "delta": {"reasoning_content": "Hm"}, "finish_reason": None}
    server.reply = streams(data(choices=[thought]), delta("Yes"), "data: [DONE]")
    with client.chat("m", QUESTION) as stream:
        assert list(stream) == [AnswerPiece("Hm", thought=True), AnswerPiece("Yes")]


def test_a_raw_prompt_goes_to_the_completions(client: Client, server: ScriptedServer) -> None:
    server.reply = streams(data(choices=[{"index": 0, "text": " upon"}]), "data: [DONE]")
    with client.complete("m", "Once", AnswerOptions(max_tokens=1)) as stream:
        assert list(stream) == [AnswerPiece(" upon")]
    method, path, body = server.asked[0]
    assert (method, path) == ("POST", "/v1/completions")
    assert json.loads(body)["prompt"] == "Once"
    assert json.loads(body)["max_tokens"] == 1


def test_a_whole_answer_is_the_object_of_the_api(client: Client, server: ScriptedServer) -> None:
    server.reply = answers(200, {"id": "x", "later": [1]})
    assert client.whole_chat("m", QUESTION) == {"id": "x", "later": [1]}
    assert client.whole_completion("m", "Once") == {"id": "x", "later": [1]}
    asked = [(path, "stream" in json.loads(body)) for _, path, body in server.asked]
    assert asked == [("/v1/chat/completions", False), ("/v1/completions", False)]
    server.reply = answers(429, refusal("queue_full"))
    with pytest.raises(QueueFull):
        client.whole_chat("m", QUESTION)
    server.reply = answers(200, [])
    with pytest.raises(ServerUnreachable, match="is not an mlx-gui server"):
        client.whole_chat("m", QUESTION)


def test_settings_of_a_model_are_asked_for_and_changed(
    client: Client, server: ScriptedServer
) -> None:
    row = ModelSettingBody(
        value=1,
        default=0,
        source="model",
        reload=True,
        type="integer",
        unit="",
        bounds=(0, 9),
        choices=[],
        words=[],
        help="It is so.",
    )
    body = ModelSettingsBody(model="a/b+c", settings={"slots": row}, reload_pending=False)
    server.reply = answers(200, body.model_dump(mode="json"))
    assert client.model_settings("a/b+c") == body
    assert client.change_model_settings("a/b+c", {"slots": 1, "seed": None}) == body
    assert [(method, path) for method, path, _ in server.asked] == [
        ("GET", "/v1/models/a/b%2Bc/settings"),
        ("PATCH", "/v1/models/a/b%2Bc/settings"),
    ]
    assert json.loads(server.asked[1][2]) == {"settings": {"slots": 1, "seed": None}}
    assert server.headers_seen[1]["content-type"] == "application/json"


def test_an_error_inside_a_stream_is_raised_after_the_text_before_it(
    client: Client, server: ScriptedServer
) -> None:
    server.reply = streams(
        delta("Hel"), data(**refusal("worker_failed", "The worker died.")), "data: [DONE]"
    )
    seen: list[AnswerPiece] = []
    with client.chat("m", QUESTION) as stream, pytest.raises(WorkerFailed, match="worker died"):
        seen.extend(stream)
    assert [piece.text for piece in seen] == ["Hel"]


def test_a_stream_that_breaks_off_is_not_taken_for_a_whole_answer(
    client: Client, server: ScriptedServer
) -> None:
    server.reply = streams(delta("Hel"))
    with client.chat("m", QUESTION) as stream, pytest.raises(ServerUnreachable, match="complete"):
        list(stream)


def test_closing_a_stream_hangs_up_on_the_server(client: Client, server: ScriptedServer) -> None:
    hung_up = threading.Event()

    def reply(handler: Handler) -> None:
        handler.send(200, f"{delta('Hel')}\n\n".encode(), "text/event-stream")
        handler.connection.settimeout(DEADLINE_S)
        if handler.connection.recv(1) == b"":
            hung_up.set()

    server.reply = reply
    with client.chat("m", QUESTION) as stream:
        assert next(iter(stream)).text == "Hel"
    assert hung_up.wait(DEADLINE_S)


def test_events_come_typed_and_unknown_ones_are_skipped(
    client: Client, server: ScriptedServer
) -> None:
    hello = HelloEvent(server_version="1", ui_build=None, boot_id="b", now="n")
    removed = RemovedModel(id="org/name")
    server.reply = streams(
        f"event: hello\nid: 1\ndata: {hello.model_dump_json()}",
        "event: invented_later\nid: 2\ndata: {}",
        f"event: model_removed\nid: 3\ndata: {removed.model_dump_json()}",
    )
    with client.events() as events:
        assert next(events) == hello
        assert next(events) == removed
        with pytest.raises(ServerUnreachable, match="ended the connection"):
            next(events)


def test_a_name_is_quoted_but_its_slash_stays(client: Client, server: ScriptedServer) -> None:
    server.reply = answers(404, refusal("model_not_found"))
    for call in (client.model, client.load, client.model_health):
        with pytest.raises(ModelNotFound):
            call("org/a name?")
    with pytest.raises(ModelNotFound):
        client.unload("org/a name?", force=True)
    assert [(method, path) for method, path, _ in server.asked] == [
        ("GET", "/v1/models/org/a%20name%3F"),
        ("POST", "/v1/models/org/a%20name%3F/load"),
        ("GET", "/v1/models/org/a%20name%3F/health"),
        ("POST", "/v1/models/org/a%20name%3F/unload?force=true"),
    ]


def test_a_name_leads_to_no_other_place(client: Client, server: ScriptedServer) -> None:
    server.reply = answers(404, refusal("model_not_found"))
    with pytest.raises(ModelNotFound):
        client.remove("../trash")
    with pytest.raises(ModelNotFound):
        client.model("./a..b")
    assert [(method, path) for method, path, _ in server.asked] == [
        ("DELETE", "/v1/models/%2E%2E/trash"),
        ("GET", "/v1/models/%2E/a..b"),
    ]
    for none in ("", "/"):
        with pytest.raises(InvalidRequest, match="name of the model is empty"):
            client.load(none)
        with pytest.raises(InvalidRequest, match="name of the job is empty"):
            client.cancel_job(none)
    assert len(server.asked) == 2


def test_plans_loads_and_unloads_say_what_is_wanted(client: Client, server: ScriptedServer) -> None:
    server.reply = answers(409, refusal("plan_changed"))
    calls: list[Callable[[], object]] = [
        lambda: client.plan("org/a"),
        lambda: client.plan("org/a", context=100),
        lambda: client.load("org/a", context=100, plan_token="t"),
        lambda: client.unload("org/a", when_idle=True),
        lambda: client.unload_all(force=True),
        lambda: client.unload_all(),
        lambda: client.decisions(),
        lambda: client.decisions("org/a b", limit=5),
    ]
    for call in calls:
        with pytest.raises(PlanChanged):
            call()
    assert [(method, path) for method, path, _ in server.asked] == [
        ("POST", "/v1/models/org/a/plan"),
        ("POST", "/v1/models/org/a/plan"),
        ("POST", "/v1/models/org/a/load"),
        ("POST", "/v1/models/org/a/unload?when=idle"),
        ("POST", "/v1/models/unload-all?force=true"),
        ("POST", "/v1/models/unload-all"),
        ("GET", "/v1/manager/decisions"),
        ("GET", "/v1/manager/decisions?model=org%2Fa+b&limit=5"),
    ]
    assert [json.loads(body) if body else None for _, _, body in server.asked[:4]] == [
        {"context": None},
        {"context": 100},
        {"context": 100, "plan_token": "t"},
        None,
    ]


def test_a_refused_load_may_carry_more_than_the_error(
    client: Client, server: ScriptedServer
) -> None:
    server.reply = answers(
        409, {**refusal("plan_changed", "Now it fits."), "plan": {"fits": "yes"}}
    )
    with pytest.raises(PlanChanged, match="Now it fits"):
        client.load("org/a", plan_token="t")


def test_a_client_of_the_data_directory_knows_address_and_token(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.reply = answers(200, {"status": "ok", "version": "1"})
    (tmp_path / "runtime.json").write_text(
        json.dumps({"address": server.address, "pid": 1, "version": "1", "token": "secret"})
    )
    with Client.from_runtime(tmp_path) as client:
        assert client.health().status == "ok"
    assert server.headers_seen[0]["authorization"] == "Bearer secret"


def test_a_proxy_of_the_environment_is_not_asked_for_the_own_server(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    server.reply = answers(200, {"status": "ok", "version": "1"})
    with Client(server.address) as client:
        assert client.health().status == "ok"


@pytest.mark.parametrize("left", [None, "", "{", '{"address": 1}', "[]"])
def test_a_data_directory_without_a_readable_runtime_file_has_no_server(
    tmp_path: Path, left: str | None
) -> None:
    if left is not None:
        (tmp_path / "runtime.json").write_text(left)
    assert read_runtime(tmp_path) is None
    with pytest.raises(ServerUnreachable, match="No server runs") as caught:
        Client.from_runtime(tmp_path)
    assert "mlx-gui start" in caught.value.hint


def test_a_runtime_file_may_have_fields_of_a_newer_server(tmp_path: Path) -> None:
    (tmp_path / "runtime.json").write_text(
        '{"address": "http://h:1", "pid": 2, "version": "3", "token": "t", "later": true}'
    )
    assert read_runtime(tmp_path) == Runtime("http://h:1", 2, "3", "t")


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_are_found_wherever_the_network_cuts_them(size: int) -> None:
    raw = (
        ": hi\r\n\r\ndata: {}\r\n\r\n"
        "event: a\nid: 7\ndata: b\ndata:c\n\n"
        "event: empty\n\n"
        "data: ü\n\n"
    ).encode()
    chunks = [raw[start : start + size] for start in range(0, len(raw), size)]
    assert list(parse_sse(chunks)) == [
        ("message", b"{}"),
        ("a", b"b\nc"),
        ("message", "ü".encode()),
    ]


JOB = {
    "id": "job-1",
    "kind": "test",
    "title": "Do it",
    "arguments": {"a": 1},
    "state": "running",
    "stage": "half",
    "done": 1,
    "total": 2,
    "unit": "steps",
    "error": None,
    "created_at": "2026-01-02T03:04:05.000Z",
    "updated_at": "2026-01-02T03:04:05.000Z",
    "ended_at": None,
    "retry_at": None,
}


def test_jobs_are_asked_for_and_changed_by_their_ids(
    client: Client, server: ScriptedServer
) -> None:
    server.reply = answers(200, {"data": [JOB]})
    assert client.jobs().data[0].stage == "half"
    server.reply = answers(200, JOB)
    for ask in (client.job, client.pause_job, client.resume_job, client.cancel_job):
        assert ask("job-1").title == "Do it"
    server.reply = answers(200, {"id": "job-1"})
    assert client.remove_job("a/b").deleted
    assert [asked[:2] for asked in server.asked] == [
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/job-1"),
        ("POST", "/v1/jobs/job-1/pause"),
        ("POST", "/v1/jobs/job-1/resume"),
        ("POST", "/v1/jobs/job-1/cancel"),
        ("DELETE", "/v1/jobs/a/b"),
    ]
