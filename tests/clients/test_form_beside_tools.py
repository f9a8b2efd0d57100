"""A form of the answer together with tools, in every family, asked of a real tiny model."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.server import Server

MODEL = "tiny/Qwen3-tiny-trained"
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["answer"],
    "additionalProperties": False,
}
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FUNCTION = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": PARAMETERS,
}

Answer = tuple[str, list[tuple[str, Any]]]
"""The text, and the calls with their arguments."""


def answered(client: httpx.Client, path: str, **fields: object) -> dict[str, Any]:
    answer = client.post(path, json={"model": MODEL, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def chat(client: httpx.Client, question: str) -> Answer:
    body = answered(
        client,
        "/v1/chat/completions",
        messages=[{"role": "user", "content": question}],
        tools=[{"type": "function", "function": FUNCTION}],
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        temperature=0,
        max_tokens=200,
    )
    message = body["choices"][0]["message"]
    calls = [call["function"] for call in message.get("tool_calls", ())]
    said = message["content"] or ""
    return said, [(call["name"], json.loads(call["arguments"])) for call in calls]


def responses(client: httpx.Client, question: str) -> Answer:
    body = answered(
        client,
        "/v1/responses",
        input=question,
        tools=[{"type": "function", **FUNCTION}],
        text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        temperature=0,
        max_output_tokens=200,
    )
    said = [item["content"][0]["text"] for item in body["output"] if item["type"] == "message"]
    calls = [item for item in body["output"] if item["type"] == "function_call"]
    return "".join(said), [(call["name"], json.loads(call["arguments"])) for call in calls]


def messages(client: httpx.Client, question: str) -> Answer:
    body = answered(
        client,
        "/v1/messages",
        messages=[{"role": "user", "content": question}],
        tools=[
            {
                "name": FUNCTION["name"],
                "description": FUNCTION["description"],
                "input_schema": PARAMETERS,
            }
        ],
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
        thinking={"type": "enabled", "budget_tokens": 1024},
        top_k=1,
        max_tokens=1200,
    )
    said = [block["text"] for block in body["content"] if block["type"] == "text"]
    calls = [block for block in body["content"] if block["type"] == "tool_use"]
    return "".join(said), [(call["name"], call["input"]) for call in calls]


def ollama(client: httpx.Client, question: str) -> Answer:
    body = answered(
        client,
        "/api/chat",
        messages=[{"role": "user", "content": question}],
        tools=[{"type": "function", "function": FUNCTION}],
        format=SCHEMA,
        options={"temperature": 0, "num_predict": 200},
        stream=False,
    )
    calls = [call["function"] for call in body["message"].get("tool_calls", ())]
    return body["message"]["content"], [(call["name"], call["arguments"]) for call in calls]


@pytest.mark.parametrize("ask", [chat, responses, messages, ollama])
def test_a_model_calls_or_answers_in_form(
    real: Server, ask: Callable[[httpx.Client, str], Answer]
) -> None:
    with real.client() as client:
        assert ask(client, "What is the weather in Paris?") == (
            "",
            [("get_weather", {"city": "Paris"})],
        )
        said, calls = ask(client, "Hello")
    assert calls == []
    assert json.loads(said).keys() == {"answer"}


def test_earlier_arguments_that_are_no_json_reach_the_model(real: Server) -> None:
    call = {"id": "c", "type": "function", "function": {**FUNCTION, "arguments": '{"city": "Par'}}
    with real.client() as client:
        body = answered(
            client,
            "/v1/tokenize",
            messages=[
                {"role": "user", "content": "What is the weather in Paris?"},
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": "Invalid JSON."},
            ],
            tools=[{"type": "function", "function": FUNCTION}],
        )
        text = answered(client, "/v1/detokenize", tokens=body["tokens"])["prompt"]
    assert '"arguments": {"INVALID_JSON": "{\\"city\\": \\"Par"}' in text
