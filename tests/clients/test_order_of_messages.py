"""Conversations that a model's template refuses as they are, in every API family."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.server import Server

NAME = "gemma-3-text-tiny"
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


@pytest.fixture(scope="module")
def client(real: Server) -> Iterator[httpx.Client]:
    with real.client() as client:
        yield client


def says(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


ORDERS: dict[str, list[dict[str, Any]]] = {
    "the assistant first": [says("assistant", "Hello!"), says("user", "Hi")],
    "the assistant alone": [says("assistant", "Hello!"), says("assistant", "Anybody?")],
    "the system and the assistant": [says("system", "Be kind."), says("assistant", "Hello!")],
    "the assistant last": [says("user", "Hi"), says("assistant", "Hello!")],
    "users twice": [says("user", "Hi"), says("user", "You?")],
    "nothing said": [says("user", ""), says("user", "")],
    "the system in the middle": [
        says("user", "Hi"), says("assistant", "Yes?"), says("system", "Be kind."), says("user", "?")
    ],
    "the system last": [says("assistant", "Hello!"), says("system", "Be kind.")],
}  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_is_answered(order: str, client: httpx.Client) -> None:
    messages = ORDERS[order]
    others = [message for message in messages if message["role"] != "system"]
    system = "".join(each["content"] for each in messages if each["role"] == "system")
    asked: dict[str, dict[str, Any]] = {
        "/v1/chat/completions": {"messages": messages, "max_tokens": 2},
        "/v1/responses": {"input": messages, "max_output_tokens": 16},
        "/v1/messages": {
            "messages": others,
            "max_tokens": 2,
            **({"system": system} if system else {}),
        },
        "/api/chat": {"messages": messages, "options": {"num_predict": 2}},
        "/v1/tokenize": {"messages": messages},
    }
    for path, body in asked.items():
        response = client.post(path, json={"model": NAME, "stream": False, **body})
        # Anthropic's API takes no empty text from anybody.
        empty = (path, order) == ("/v1/messages", "nothing said")
        assert response.status_code == (400 if empty else 200), (path, response.text)


def test_results_without_calls_and_calls_without_a_question_are_answered(
    client: httpx.Client,
) -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": "sunny"}
    call = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    for messages in ([call, result], [call, result, says("user", "So?")], [result]):
        body = {"model": NAME, "messages": messages, "max_tokens": 2}
        response = client.post("/v1/chat/completions", json=body)
        assert response.status_code == 200, response.text
