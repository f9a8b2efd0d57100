"""Anthropic's family over a real connection: its errors, its pings, and who may ask."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from mlx_gui.api.anthropic.errors import error_body
from mlx_gui.api.anthropic.messages.answer import PING
from mlx_gui.api.anthropic.messages.wire import MessageAnswer, MessageTokenCount
from mlx_gui.api.anthropic.wire import AnthropicErrorEnvelope
from mlx_gui.core.errors import ContextTooLong, InvalidRequest, WorkerFailed, error_classes
from mlx_gui.core.generation import (
    Delta,
    Event,
    Failed,
    GenerateRequest,
    Prepared,
    Tokenized,
    TokenizeRequest,
    Usage,
)
from tests.unit.api.parts import (
    DEADLINE_S,
    ScriptedDispatch,
    application,
    config,
    services,
    serving,
)

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
HELLO = {"model": "org/one", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}

Events = AsyncGenerator[Event]


def error_of(answer: httpx.Response) -> AnthropicErrorEnvelope:
    envelope = AnthropicErrorEnvelope.model_validate_json(answer.content)
    assert envelope.request_id == answer.headers["x-request-id"] == answer.headers["request-id"]
    return envelope


async def crash_midway(_: GenerateRequest) -> Events:
    yield Prepared(3)
    yield Delta(0, "Hel")
    yield Failed(WorkerFailed("The worker was killed.", hint="Send it again.").info())


async def refuse(_: GenerateRequest) -> Events:
    yield Failed(ContextTooLong("The prompt has 9 tokens, the context 8.", hint="Cut.").info())


async def count(_: GenerateRequest) -> Events:
    yield Prepared(3)
    yield Tokenized((7, 8, 9), ("a", "b", "c"))
    yield Usage(3, 0)


async def stumble(_: GenerateRequest) -> Events:
    raise ZeroDivisionError
    yield


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_every_error_has_anthropics_shape_and_ours(code: str) -> None:
    error = error_classes()[code]("It went wrong.", hint="Mend it.", details={"count": 3})

    envelope = AnthropicErrorEnvelope.model_validate_json(error_body(error, "request-1"))

    assert envelope.request_id == "request-1"
    assert (envelope.error.code, envelope.error.message) == (code, "It went wrong.")
    assert envelope.error.hint == "Mend it."
    assert envelope.error.details == {"error_code": code, "count": 3}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_request", "invalid_request_error"),
        ("unauthenticated", "authentication_error"),
        ("forbidden", "permission_error"),
        ("model_not_found", "not_found_error"),
        ("method_not_allowed", "invalid_request_error"),
        ("payload_too_large", "request_too_large"),
        ("queue_full", "rate_limit_error"),
        ("internal_error", "api_error"),
        ("fetch_failed", "api_error"),
        ("insufficient_memory", "overloaded_error"),
        ("shutting_down", "overloaded_error"),
        ("queue_timeout", "timeout_error"),
        ("model_too_large", "api_error"),
    ],
)
def test_the_type_is_one_that_anthropics_clients_know(code: str, kind: str) -> None:
    error = error_classes()[code]("It went wrong.")

    assert json.loads(error_body(error, "r"))["error"]["type"] == kind


def test_the_refused_field_is_among_the_details() -> None:
    body = json.loads(error_body(InvalidRequest("No.", param="max_tokens"), "r"))

    assert body["error"]["details"] == {"error_code": "invalid_request", "param": "max_tokens"}


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", MESSAGES, 405, "invalid_request_error"),
        ("GET", COUNT, 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("GET", "/v1/messages/batches/batch_1/results", 404, "not_found_error"),
        ("GET", "/v1/messages/nothing", 404, "not_found_error"),
    ],
)
def test_wrong_paths_and_methods_are_answered_in_anthropics_shape(
    address: str, method: str, path: str, status: int, kind: str
) -> None:
    answer = httpx.request(method, address + path)

    error = error_of(answer).error
    assert (answer.status_code, error.type) == (status, kind)
    assert error.hint


def test_what_is_refused_before_any_route_has_the_shape_too(address: str) -> None:
    form = httpx.post(address + MESSAGES, content=b"a=1", headers={"content-type": "text/plain"})
    large = httpx.post(address + MESSAGES, json={**HELLO, "system": "x" * 2**17})
    foreign = httpx.post(address + MESSAGES, json=HELLO, headers={"host": "evil.test"})
    stranger = httpx.post(address + MESSAGES, json=HELLO, headers={"origin": "http://evil.test"})

    assert (form.status_code, error_of(form).error.code) == (415, "unsupported_media_type")
    assert (large.status_code, error_of(large).error.type) == (413, "request_too_large")
    assert (foreign.status_code, error_of(foreign).error.type) == (403, "permission_error")
    assert (stranger.status_code, error_of(stranger).error.type) == (403, "permission_error")


@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_of_ours_shows_nothing_of_itself(
    address: str, dispatch: ScriptedDispatch, stream: bool
) -> None:
    dispatch.script = stumble

    with capture_logs():
        answer = httpx.post(address + MESSAGES, json={**HELLO, "stream": stream})

    assert (answer.status_code, error_of(answer).error.type) == (500, "api_error")
    assert "ZeroDivision" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_refused_before_it_is_prepared_is_a_plain_error(
    address: str, dispatch: ScriptedDispatch, stream: bool
) -> None:
    dispatch.script = refuse

    answer = httpx.post(address + MESSAGES, json={**HELLO, "stream": stream})

    assert (answer.status_code, answer.headers["x-should-retry"]) == (400, "false")
    assert error_of(answer).error.code == "context_length_exceeded"


BROKEN = [
    (b'{"model": "org/one"', "JSON"),
    (b"[]", "object"),
    (b"[" * 100_000, "JSON"),
    (b'{"model": "\xff"}', "UTF-8"),
    (b'{"temperature": NaN}', "JSON"),
]


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
@pytest.mark.parametrize(("body", "word"), BROKEN)
def test_a_body_that_is_no_json_object_is_refused(
    address: str, path: str, body: bytes, word: str
) -> None:
    answer = httpx.post(address + path, content=body, headers={"content-type": "application/json"})

    error = error_of(answer).error
    assert (answer.status_code, error.type) == (400, "invalid_request_error")
    assert word in error.message


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"model": None}, "model", "string"),
        ({"max_tokens": None}, "max_tokens", "integer"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1, not 0"),
        ({"max_tokens": "9"}, "max_tokens", "integer"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": "Hi"}, "messages", "list"),
        ({"messages": [{"role": "tool", "content": "Hi"}]}, "messages[0].role", "'user'"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "is required"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "list of blocks"),
        (
            {"messages": [{"role": "user", "content": [{"type": "smell", "content": {}}]}]},
            "messages[0].content[0].type",
            '"smell"',
        ),
        ({"system": 5}, "system", "a string or a list of blocks"),
        ({"stop_sequences": "END"}, "stop_sequences", "list"),
        ({"stop_sequences": [5]}, "stop_sequences[0]", "string"),
        ({"stop_sequences": [""]}, "stop_sequences[0]", "at least 1 character"),
        ({"stop_sequences": ["a"] * 17}, "stop_sequences", "at most 16"),
        ({"temperature": 1.1}, "temperature", "between 0 and 1, not 1.1"),
        ({"temperature": "1"}, "temperature", "number"),
        ({"top_p": -1}, "top_p", "between 0 and 1"),
        ({"top_k": -1}, "top_k", "greater than or equal to 0"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name", "is required"),
        ({"tools": [{"name": "", "input_schema": {}}]}, "tools[0].name", "at least 1"),
        (
            {"tools": [{"name": "a", "input_schema": []}]},
            "tools[0].input_schema",
            "should be an object",
        ),
        ({"tool_choice": "auto"}, "tool_choice", "object"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type", "'auto'"),
        ({"thinking": {"type": "deep"}}, "thinking.type", "'enabled'"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort", "'low'"),
        ({"output_config": {"format": {"type": "regex"}}}, "output_config.format.type", "json"),
        (
            {"output_config": {"format": {"type": "json_schema"}}},
            "output_config.format.schema",
            "is required",
        ),
        ({"stream": 1}, "stream", "boolean"),
        (
            {"tools": [{"name": f"f{n}", "input_schema": {}} for n in range(2000)]},
            "tools",
            "at most 1024",
        ),
        ({"tools": [{"type": "bash_20250124", "name": 5}]}, "tools[0].name", "string"),
    ],
)
def test_a_bad_value_is_refused_with_its_place_and_what_it_should_be(
    address: str, dispatch: ScriptedDispatch, fields: dict[str, object], param: str, words: str
) -> None:
    answer = httpx.post(address + MESSAGES, json={**HELLO, **fields})

    error = error_of(answer).error
    assert (answer.status_code, error.type) == (400, "invalid_request_error")
    assert error.details["param"] == param
    assert words in error.message
    assert dispatch.asked == []


def test_a_whole_answer_is_as_documented(address: str, dispatch: ScriptedDispatch) -> None:
    answer = httpx.post(f"{address}{MESSAGES}?beta=true", json=HELLO)

    message = MessageAnswer.model_validate_json(answer.content)
    assert message.id.startswith("msg_")
    assert [block.model_dump() for block in message.content] == [
        {"type": "text", "text": "Hello there"}
    ]
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (1, 2)
    assert dispatch.closed.is_set()


def test_tokens_are_counted_as_the_model_reads_them(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = count

    answer = httpx.post(
        address + COUNT, json={"model": "org/one", "messages": HELLO["messages"], "system": "Be."}
    )

    assert MessageTokenCount.model_validate_json(answer.content).input_tokens == 3
    (asked,) = dispatch.asked
    assert isinstance(asked, TokenizeRequest)
    assert [message.role for message in asked.request.messages] == ["system", "user"]


def test_counting_reports_what_the_model_refuses(address: str, dispatch: ScriptedDispatch) -> None:
    dispatch.script = refuse

    answer = httpx.post(address + COUNT, json=HELLO)

    assert error_of(answer).error.code == "context_length_exceeded"


def test_a_failure_in_a_stream_is_its_last_event(address: str, dispatch: ScriptedDispatch) -> None:
    dispatch.script = crash_midway

    answer = httpx.post(address + MESSAGES, json={**HELLO, "stream": True})

    name, data = answer.text.removesuffix("\n\n").split("\n\n")[-1].split("\n")
    assert answer.status_code == 200
    assert name == "event: error"
    envelope = AnthropicErrorEnvelope.model_validate_json(data.removeprefix("data: "))
    assert (envelope.error.type, envelope.error.code) == ("api_error", "worker_failed")
    assert envelope.request_id == answer.headers["request-id"]


def test_a_stream_that_waits_is_kept_alive_by_pings(
    dispatch: ScriptedDispatch, tmp_path: Path
) -> None:
    committed = threading.Event()

    async def wait(_: GenerateRequest) -> Events:
        await asyncio.to_thread(committed.wait, DEADLINE_S)
        yield Prepared(3)

    dispatch.script = wait
    parts = services(config(tmp_path, stream_commit_s=0.05), dispatch=dispatch)
    with (
        serving(application(parts)) as address,
        httpx.stream("POST", address + MESSAGES, json={**HELLO, "stream": True}) as answer,
    ):
        chunks = answer.iter_bytes()
        assert next(chunks) == PING == b'event: ping\ndata: {"type":"ping"}\n\n'

        committed.set()
        rest = b"".join(chunks)

    assert rest.startswith(b"event: message_start\n")
