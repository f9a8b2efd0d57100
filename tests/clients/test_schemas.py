"""Schemas that can be enforced in part, in every family, asked of a real tiny model."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.server import Server

MODEL = "tiny/Qwen3-tiny-trained"
HEADER = "x-mlx-gui-not-enforced"
QUESTION = "What is the weather in Paris?"
ASKED = [{"role": "user", "content": QUESTION}]
RAW = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
ANSWER = {
    "type": "object",
    "properties": {
        "tags": {"type": "array", "items": {"enum": ["a"]}, "uniqueItems": True, "maxItems": 2}
    },
    "required": ["tags"],
    "additionalProperties": False,
}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ODD = {"type": "object", "properties": {"a": {"not": {}}}}


@pytest.fixture(scope="module")
def client(real: Server) -> Iterator[httpx.Client]:
    with real.client() as client:
        yield client


def chat_form(strict: bool) -> tuple[str, dict[str, Any]]:
    named = {"name": "n", "schema": ANSWER, "strict": strict}
    form = {"type": "json_schema", "json_schema": named}
    fields = {"messages": ASKED, "response_format": form, "temperature": 0, "max_tokens": 200}
    return "/v1/chat/completions", fields


def response_form(strict: bool) -> tuple[str, dict[str, Any]]:
    form = {"type": "json_schema", "name": "n", "schema": ANSWER, "strict": strict}
    return "/v1/responses", {"input": QUESTION, "text": {"format": form}, "max_output_tokens": 200}


def chat_call(strict: bool) -> tuple[str, dict[str, Any]]:
    tools = [
        {"type": "function", "function": {"name": "get_weather", "parameters": CITY}},
        {"type": "function", "function": {"name": "odd", "parameters": ODD, "strict": strict}},
    ]
    fields = {"messages": ASKED, "tools": tools, "tool_choice": "required", "max_tokens": 200}
    return "/v1/chat/completions", fields


def response_call(strict: bool) -> tuple[str, dict[str, Any]]:
    tools = [
        {"type": "function", "name": "get_weather", "parameters": CITY},
        {"type": "function", "name": "odd", "parameters": ODD, "strict": strict},
    ]
    return "/v1/responses", {"input": QUESTION, "tools": tools, "tool_choice": "required"}


def message_call(strict: bool) -> tuple[str, dict[str, Any]]:
    tools = [
        {"name": "get_weather", "input_schema": CITY},
        {"name": "odd", "input_schema": ODD, "strict": strict},
    ]
    choice = {"type": "any"}
    return "/v1/messages", {
        "messages": ASKED, "tools": tools, "tool_choice": choice, "max_tokens": 200
    }  # fmt: skip


def asked(client: httpx.Client, path: str, fields: dict[str, Any]) -> httpx.Response:
    return client.post(path, json={"model": MODEL, **fields})


@pytest.mark.parametrize("ask", [chat_form, response_form, chat_call, response_call, message_call])
def test_only_what_is_strict_is_refused(client: httpx.Client, ask: Any) -> None:
    place = "#/properties/tags/uniqueItems" if "form" in ask.__name__ else "odd#/properties/a/not"
    path, fields = ask(False)
    loose = asked(client, path, fields)
    assert (loose.status_code, loose.headers.get(HEADER)) == (200, place)
    path, fields = ask(True)
    strict = asked(client, path, fields)
    assert strict.status_code == 400
    assert place.removeprefix("odd") in strict.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/chat/completions", {"messages": ASKED, "guided_json": ANSWER}),
        ("/v1/chat/completions", {"messages": ASKED, "json_schema": ANSWER}),
        (
            "/v1/chat/completions",
            {"messages": ASKED, "response_format": {"type": "json_object", "schema": ANSWER}},
        ),
        ("/v1/completions", {"prompt": RAW, "guided_json": ANSWER, "max_tokens": 100}),
        (
            "/v1/messages",
            {
                "messages": ASKED,
                "max_tokens": 200,
                "thinking": {"type": "disabled"},
                "output_config": {"format": {"type": "json_schema", "schema": ANSWER}},
            },
        ),
        ("/api/chat", {"messages": ASKED, "format": ANSWER, "stream": False}),
        ("/api/generate", {"prompt": QUESTION, "format": ANSWER, "stream": False}),
        (
            "/api/generate",
            {
                "prompt": QUESTION,
                "format": {"type": "json_object", "schema": ANSWER},
                "stream": False,
            },
        ),
        (
            "/v1/responses",
            {"input": QUESTION, "text": {"format": {"type": "json_object", "schema": ANSWER}}},
        ),
    ],
)
def test_what_can_be_enforced_is_in_every_family(
    client: httpx.Client, path: str, fields: dict[str, Any]
) -> None:
    answer = asked(client, path, fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers[HEADER] == "#/properties/tags/uniqueItems"
    tags = _tags(answer.json())
    assert len(tags) <= 2
    assert set(tags) <= {"a"}


def _tags(body: dict[str, Any]) -> list[str]:
    match body:
        case {"choices": [{"message": {"content": text}}]} | {"choices": [{"text": text}]}:
            pass
        case {"content": [*_, {"text": text}]} | {"output": [*_, {"content": [{"text": text}]}]}:
            pass
        case {"message": {"content": text}} | {"response": text}:
            pass
        case _:
            raise AssertionError(body)
    return json.loads(text)["tags"]


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "#/$defs/none"}, {"type": "string", "minLength": 3, "maxLength": 1}, {"enum": []}],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/api/chat"])
def test_what_no_answer_matches_is_refused(
    client: httpx.Client, path: str, schema: dict[str, Any]
) -> None:
    fields = {"messages": ASKED, "format": schema, "stream": False}
    if path == "/v1/messages":
        form = {"format": {"type": "json_schema", "schema": schema}}
        fields = {"messages": ASKED, "output_config": form, "max_tokens": 99}
    assert asked(client, path, fields).status_code == 400


def test_a_thousand_keywords_leave_a_short_header(client: httpx.Client) -> None:
    properties = {f"p{n}": {"type": "string", "pattern": f"(?={n})"} for n in range(1000)}
    schema = {"type": "object", "properties": properties}
    answer = asked(
        client, "/api/chat", {"messages": ASKED, "format": schema, "options": {"num_predict": 5}}
    )
    assert answer.status_code == 200
    assert answer.headers[HEADER].startswith("#/properties/p0/pattern, #/properties/p1/pattern")
    assert answer.headers[HEADER].endswith(" more")
    assert len(answer.headers[HEADER]) < 1100


def custom(syntax: str, definition: str) -> dict[str, Any]:
    form = {"type": "grammar", "syntax": syntax, "definition": definition}
    return {
        "input": QUESTION,
        "tools": [{"type": "custom", "name": "say", "format": form}],
        "max_output_tokens": 200,
    }


def test_a_custom_tool_that_must_be_called_keeps_to_its_regex(client: httpx.Client) -> None:
    asked_for = {**custom("regex", "[a-z]{2,4}!"), "tool_choice": "required"}
    answer = asked(client, "/v1/responses", asked_for)
    assert answer.status_code == 200, answer.text
    assert HEADER not in answer.headers
    (call,) = [item for item in answer.json()["output"] if item["type"] == "custom_tool_call"]
    assert re.fullmatch("[a-z]{2,4}!", call["input"])


def test_a_custom_tools_grammar_is_named_and_has_to_compile(client: httpx.Client) -> None:
    fields = {**custom("lark", 'start: "a" LF\n%import common.LF'), "tool_choice": "required"}
    answer = asked(client, "/v1/responses", fields)
    assert (answer.status_code, answer.headers[HEADER]) == (200, "say#/format")
    for syntax, definition in (("lark", "start: foo"), ("regex", "(?=a)")):
        refused = asked(client, "/v1/responses", custom(syntax, definition))
        assert refused.status_code == 400
        assert "tool say" in refused.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages", "/api/chat"])
def test_two_thousand_tools_end_in_an_answer_or_a_refusal(client: httpx.Client, path: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
    names = [f"t{n}" for n in range(2000)]
    fields: dict[str, Any]
    if path == "/v1/messages":
        tools = [{"name": name, "input_schema": schema} for name in names]
        fields = {"tool_choice": {"type": "any"}, "max_tokens": 5, "messages": ASKED}
    elif path == "/api/chat":
        tools = [{"type": "function", "function": {"name": n, "parameters": schema}} for n in names]
        fields = {"format": ANSWER, "options": {"num_predict": 5}, "messages": ASKED}
    else:
        tools = [{"type": "function", "name": name, "parameters": schema} for name in names]
        fields = {"tool_choice": "required", "max_output_tokens": 5, "input": QUESTION}
    answer = asked(client, path, {**fields, "tools": tools})
    assert answer.status_code in (200, 400), answer.text
    assert asked(client, "/api/chat", {"messages": ASKED, "format": ANSWER}).status_code == 200
