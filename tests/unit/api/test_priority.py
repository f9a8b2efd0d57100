"""The priority of a request, in every family."""

from typing import Any

import httpx
import pytest

from mlx_gui.api.priority import PRIORITY_HEADER
from tests.unit.api.parts import ScriptedDispatch

HELLO = [{"role": "user", "content": "Hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "org/one", "messages": HELLO},
    "/v1/completions": {"model": "org/one", "prompt": "Hi"},
    "/v1/responses": {"model": "org/one", "input": "Hi", "store": False},
    "/v1/messages": {"model": "org/one", "messages": HELLO, "max_tokens": 5},
    "/api/chat": {"model": "org/one", "messages": HELLO, "stream": False},
    "/api/generate": {"model": "org/one", "prompt": "Hi", "stream": False},
}
OPENAI = [path for path in BODIES if "completions" in path or "responses" in path]


def post(address: str, path: str, header: str | None = None, **fields: Any) -> httpx.Response:
    headers = {} if header is None else {PRIORITY_HEADER: header}
    return httpx.post(address + path, json=BODIES[path] | fields, headers=headers)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("header", "priority"), [(None, 0), ("0", 0), ("7", 7), ("-10", -10), ("+10", 10)]
)
def test_a_request_has_the_priority_of_its_header(
    address: str, dispatch: ScriptedDispatch, path: str, header: str | None, priority: int
) -> None:
    answer = post(address, path, header)

    assert answer.status_code == 200, answer.text
    assert [each.priority for each in dispatch.asks] == [priority]


@pytest.mark.parametrize("path", OPENAI)
@pytest.mark.parametrize(("body", "priority"), [(-3, -3), (0, 0), (None, 7)])
def test_a_priority_in_the_body_wins_over_the_header(
    address: str, dispatch: ScriptedDispatch, path: str, body: int | None, priority: int
) -> None:
    assert post(address, path, "7", priority=body).status_code == 200
    assert [each.priority for each in dispatch.asks] == [priority]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("header", ["11", "-11", "1.5", "high", "", "1e1", "1_0", "true", "9" * 50])
def test_a_header_that_is_no_priority_is_refused_in_the_familys_shape(
    address: str, dispatch: ScriptedDispatch, path: str, header: str
) -> None:
    answer = post(address, path, header)

    assert answer.status_code == 400
    error = answer.json()["error"]
    message = error if path.startswith("/api/") else error["message"]
    assert message.startswith(f"`{PRIORITY_HEADER}` should be a whole number from -10 to 10")
    if path == "/v1/messages":
        assert error["type"] == "invalid_request_error"
    assert dispatch.asked == []


@pytest.mark.parametrize("path", OPENAI)
@pytest.mark.parametrize("body", [11, -11, 1.5, "high", True, [5]])
def test_a_field_that_is_no_priority_is_refused(
    address: str, dispatch: ScriptedDispatch, path: str, body: object
) -> None:
    answer = post(address, path, priority=body)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "priority")
    assert dispatch.asked == []
