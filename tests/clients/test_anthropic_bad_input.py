"""What a program may send wrongly to `/v1/messages`: each is told so, and the worker goes on."""

import json
from typing import Any

import httpx
import pytest

from mlx_gui.api.anthropic.wire import AnthropicErrorEnvelope
from tests.support.server import Server

MESSAGES = "/v1/messages"
HELLO: dict[str, Any] = {
    "model": "fake/echo",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hello"}],
}
PICTURE = {"type": "image", "source": {"type": "url", "url": "http://127.0.0.1:9/never.png"}}
NESTED: dict[str, Any] = {"type": "text", "text": "Hi"}
for _ in range(200):
    NESTED = {"type": "document", "source": {"type": "content", "content": [NESTED]}}


def said(*blocks: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


Row = tuple[dict[str, Any] | bytes, int, str]
"""The body, or what is wrong in a good one; the answer's status and code."""

SEARCH = {"name": "a", "type": "web_search_20250305"}
MANY = [{"name": f"f{n}", "input_schema": {}} for n in range(2000)]
ROWS: list[Row] = [
    (b"", 400, "invalid_request"),
    (b"{", 400, "invalid_request"),
    (b"null", 400, "invalid_request"),
    (b'{"max_tokens": Infinity}', 400, "invalid_request"),
    (b'{"max_tokens": 1e400}', 400, "invalid_request"),
    (b'{"model": "\xff"}', 400, "invalid_request"),
    (b'{"model": "\\ud800"}', 400, "invalid_request"),
    (b'{"a":' * 10_000, 400, "invalid_request"),
    (b" " * 20_000_000, 413, "payload_too_large"),
    ({"model": "no/such"}, 404, "model_not_found"),
    ({"model": ""}, 404, "model_not_found"),
    ({"model": 5}, 400, "invalid_request"),
    ({"model": "fake/broken"}, 500, "load_failed"),
    ({"model": "fake/crash"}, 500, "worker_failed"),
    ({"max_tokens": 0}, 400, "invalid_request"),
    ({"max_tokens": -1}, 400, "invalid_request"),
    ({"max_tokens": 1.5}, 400, "invalid_request"),
    ({"max_tokens": True}, 400, "invalid_request"),
    ({"temperature": 1.01}, 400, "invalid_request"),
    ({"top_p": -0.1}, 400, "invalid_request"),
    ({"top_k": -1}, 400, "invalid_request"),
    ({"stop_sequences": 5}, 400, "invalid_request"),
    ({"stop_sequences": [5]}, 400, "invalid_request"),
    ({"stop_sequences": ["a"] * 1000}, 400, "invalid_request"),
    ({"messages": []}, 400, "invalid_request"),
    ({"messages": [{"role": "user", "content": ""}]}, 400, "invalid_request"),
    ({"messages": [{"role": "assistant", "content": ""}]}, 400, "invalid_request"),
    ({"messages": [{"role": "assistant", "content": "So "}]}, 400, "invalid_request"),
    ({"messages": [{"role": "user", "content": "word " * 5000}]}, 400, "context_length_exceeded"),
    (said(PICTURE), 400, "capability_missing"),
    (said({"type": "text"}), 400, "invalid_request"),
    (said({"type": "web_search_tool_result", "content": {}}), 400, "invalid_request"),
    (said({"type": "tool_result", "tool_use_id": "nobody's"}), 400, "invalid_request"),
    (said({"type": "tool_use", "id": "a", "name": "b", "input": "c"}), 400, "invalid_request"),
    (said(NESTED), 400, "invalid_request"),
    ({"system": {"text": "Hi"}}, 400, "invalid_request"),
    ({"tools": [SEARCH], "tool_choice": {"type": "any"}}, 400, "invalid_request"),
    ({"tools": MANY}, 400, "invalid_request"),
    ({"tools": [{"name": "a", "input_schema": {"type": 5}}]}, 400, "invalid_request"),
    ({"tool_choice": {"type": "tool", "name": "nobody"}}, 400, "invalid_request"),
    ({"thinking": {"type": "enabled", "budget_tokens": 10**30}}, 400, "invalid_request"),
    ({"output_format": {"type": "json_schema", "schema": "a"}}, 400, "invalid_request"),
    ({"output_format": {"type": "json_schema", "schema": {"$ref": "#"}}}, 400, "invalid_request"),
    ({"thread": {"type": "continue", "previous_message_id": "m"}}, 404, "not_found"),
]


def worker_pid(client: httpx.Client) -> int:
    """The process that answers well-formed requests."""
    client.post(MESSAGES, json=HELLO).raise_for_status()
    loaded = client.get("/v1/manager/status").raise_for_status().json()["loaded_models"]
    return next(row["pid"] for row in loaded if row["id"] == HELLO["model"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0])[:60])
def test_bad_input_gets_a_clear_answer_and_the_worker_goes_on(
    server: Server, row: Row, stream: bool
) -> None:
    sent, status, code = row
    body = sent if isinstance(sent, bytes) else json.dumps({**HELLO, "stream": stream, **sent})
    with server.client() as client:
        before = worker_pid(client)
        answer = client.post(MESSAGES, content=body, headers={"content-type": "application/json"})

        if answer.status_code == 200:
            name, data = answer.text.removesuffix("\n\n").split("\n\n")[-1].split("\n")
            assert (stream, status, name) == (True, 500, "event: error")
            envelope = AnthropicErrorEnvelope.model_validate_json(data.removeprefix("data: "))
        else:
            assert answer.status_code == status
            envelope = AnthropicErrorEnvelope.model_validate_json(answer.content)
        assert envelope.error.code == code
        assert envelope.error.message
        assert "Traceback" not in answer.text
        assert worker_pid(client) == before
