"""What a client sees of errors, and what it does not."""

import json
import logging
from collections.abc import AsyncGenerator

import httpx
import pytest
from structlog.testing import capture_logs

from mlx_gui.api.errors import retry_headers
from mlx_gui.api.openai.errors import error_body
from mlx_gui.core.errors import (
    InvalidRequest,
    MlxGuiError,
    QueueFull,
    WorkerFailed,
    error_classes,
)
from mlx_gui.core.generation import Delta, Event, GenerateRequest, Prepared
from mlx_gui.wire.errors import ErrorEnvelope
from tests.support.waiting import wait_until
from tests.unit.api.parts import ScriptedDispatch

CHAT = {"model": "org/one", "messages": [{"role": "user", "content": "the secret prompt"}]}


async def stumble(_: GenerateRequest) -> AsyncGenerator[Event]:
    raise ZeroDivisionError("internal detail")
    yield


async def stumble_midway(_: GenerateRequest) -> AsyncGenerator[Event]:
    yield Prepared(1)
    yield Delta(0, "Hel")
    raise ZeroDivisionError("internal detail")


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_every_error_has_openais_shape_and_ours(code: str) -> None:
    error = error_classes()[code]("It went wrong.", hint="Mend it.", details={"count": 3})

    envelope = ErrorEnvelope.model_validate_json(error_body(error, "request-1"))

    assert envelope.error.code == code
    assert envelope.error.message == "It went wrong."
    assert envelope.error.hint == "Mend it."
    assert envelope.error.details == {"count": 3}
    assert envelope.error.request_id == "request-1"
    assert envelope.error.param is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_request", "invalid_request_error"),
        ("model_not_found", "invalid_request_error"),
        ("unauthenticated", "authentication_error"),
        ("forbidden", "permission_error"),
        ("queue_full", "rate_limit_error"),
        ("insufficient_memory", "server_error"),
    ],
)
def test_the_type_is_one_that_openais_clients_know(code: str, kind: str) -> None:
    error = error_classes()[code]("It went wrong.")

    assert json.loads(error_body(error, "r"))["error"]["type"] == kind


def test_the_refused_field_is_openais_param() -> None:
    body = json.loads(error_body(InvalidRequest("No.", param="stop", details={"a": 1}), "r"))

    assert body["error"]["param"] == "stop"
    assert body["error"]["details"] == {"a": 1}


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (InvalidRequest("No."), {"x-should-retry": "false"}),
        (WorkerFailed("It died."), {"retry-after": "1"}),
        (QueueFull("Full.", retry_after_s=7), {"retry-after": "7"}),
    ],
)
def test_clients_are_told_whether_to_try_again(error: MlxGuiError, headers: dict[str, str]) -> None:
    assert retry_headers(error) == headers


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("PUT", "/v1/models/org/one", 405, "method_not_allowed"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/models/org/one/load", 405, "method_not_allowed"),
        ("GET", "/v1/models/unknown/unload", 405, "method_not_allowed"),
        ("GET", "/v1/models/unknown", 404, "model_not_found"),
        ("POST", "/v1/models/org/two/load", 404, "model_not_found"),
        ("GET", "/v1/models/org/two/health", 404, "model_not_found"),
    ],
)
def test_wrong_paths_and_methods_are_answered_in_json(
    address: str, method: str, path: str, status: int, code: str
) -> None:
    answer = httpx.request(method, address + path)

    error = ErrorEnvelope.model_validate_json(answer.content).error
    assert (answer.status_code, error.code) == (status, code)
    assert error.hint


def test_a_wrong_method_is_told_the_right_one(address: str) -> None:
    answer = httpx.get(f"{address}/v1/chat/completions")

    assert answer.headers["allow"] == "POST"
    assert answer.json()["error"]["hint"] == "It takes POST."


@pytest.mark.parametrize("sane", ["abc", "A-1_b", "x" * 64])
def test_a_sane_request_id_is_kept(address: str, sane: str) -> None:
    answer = httpx.get(f"{address}/v1/nothing", headers={"x-request-id": sane})

    assert answer.headers["x-request-id"] == sane
    assert answer.json()["error"]["request_id"] == sane


@pytest.mark.parametrize("strange", ["", "a b", "x" * 65, "<script>", "ü".encode()])
def test_a_strange_request_id_is_replaced(address: str, strange: str | bytes) -> None:
    first = httpx.get(f"{address}/health", headers={"x-request-id": strange})
    second = httpx.get(f"{address}/health", headers={"x-request-id": strange})

    assert len(first.headers["x-request-id"]) == 32
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_of_ours_is_logged_and_shows_nothing_of_itself(
    address: str, dispatch: ScriptedDispatch, stream: bool
) -> None:
    dispatch.script = stumble

    with capture_logs() as lines:
        answer = httpx.post(f"{address}/v1/chat/completions", json={**CHAT, "stream": stream})
        wait_until(lambda: len(lines) == 2, what="the request's log lines")

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert answer.headers["x-should-retry"] == "false"
    assert "internal detail" not in answer.text
    crash, end = lines
    assert (crash["event"], crash["exc_info"]) == ("request_crashed", True)
    assert (end["event"], end["status"], end["error"]) == (
        "request_finished",
        500,
        "internal_error",
    )


def test_a_fault_in_the_middle_of_a_stream_breaks_the_connection(
    address: str, dispatch: ScriptedDispatch, caplog: pytest.LogCaptureFixture
) -> None:
    dispatch.script = stumble_midway

    with (
        caplog.at_level(logging.CRITICAL),
        capture_logs() as lines,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        httpx.post(f"{address}/v1/chat/completions", json={**CHAT, "stream": True})

    assert lines[0]["event"] == "request_crashed"


def test_a_request_is_one_line_that_has_nothing_of_its_content(address: str) -> None:
    with capture_logs() as lines:
        httpx.post(f"{address}/v1/chat/completions", json={**CHAT, "temperature": 9})
        httpx.post(f"{address}/v1/chat/completions", json=CHAT, headers={"authorization": "k-1"})
        wait_until(lambda: len(lines) == 2, what="the requests' log lines")

    refused, answered = lines
    assert refused["error"] == "invalid_request"
    assert (answered["event"], answered["status"]) == ("request_finished", 200)
    assert "secret prompt" not in str(lines)
    assert "k-1" not in str(lines)
