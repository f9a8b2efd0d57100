"""How a body that is wrong is explained."""

from typing import Any

import httpx
import msgspec
import pytest

from mlx_gui.api.fields import MAX_STOPS
from mlx_gui.api.validation import MAX_DEPTH, parse_json
from tests.unit.api.parts import ScriptedDispatch

GOOD: dict[str, Any] = {"model": "org/one", "messages": [{"role": "user", "content": "Hi"}]}
DEEP = b"[" * 10_000 + b"]" * 10_000


def post(address: str, content: bytes) -> httpx.Response:
    return httpx.post(
        f"{address}/v1/chat/completions",
        content=content,
        headers={"content-type": "application/json"},
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is required"),
        (b"null", "should be an object"),
        (b"[]", "should be an object"),
        (b'"text"', "should be an object"),
        (b"{", "not valid JSON"),
        (b"{}{}", "not valid JSON"),
        (b'{"temperature": NaN}', "not valid JSON"),
        (b'{"temperature": -Infinity}', "not valid JSON"),
        (b'{"temperature": 1e999}', "not valid JSON"),
        (b'{"model": "\\ud800"}', "not valid JSON"),
        (b'{"model": "\xff"}', "byte 11 is not UTF-8"),
        (b'{"ignored": ' + DEEP + b"}", "nested too deeply"),
        (DEEP, "nested too deeply"),
        (b'{"ignored": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "128 levels are the most"),
        (b'{"ignored": [{"a": 18446744073709551616}]}', "beyond 64 bits"),
        (b'{"seed": -9223372036854775809}', "beyond 64 bits"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"model": "\\udc00\\ud800"}', "not valid JSON"),
        (b'{"model": "\xed\xa0\x80"}', "not UTF-8"),
        (b"\x00", "not valid JSON"),
    ],
)
def test_what_is_not_a_json_object_is_refused(address: str, content: bytes, reason: str) -> None:
    answer = post(address, content)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert reason in answer.json()["error"]["message"]
    assert answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"model": None}, "model", "`model` should be a valid string, not null."),
        ({"model": 3}, "model", "`model` should be a valid string, not 3."),
        ({"messages": []}, "messages", "`messages` should have at least 1 item"),
        ({"messages": None}, "messages", "`messages` should be a valid list, not null."),
        ({"messages": "Hi"}, "messages", "`messages` should be a valid list"),
        ({"messages": [3]}, "messages[0]", "`messages[0]` should be an object."),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role", "`messages[0].role` is required."),
        (
            {"messages": [{"role": "robot", "content": "Hi"}]},
            "messages[0].role",
            "'system', 'developer', 'user', 'assistant', 'tool' or 'function', not \"robot\".",
        ),
        (
            {"messages": [{"role": "user", "content": 5}]},
            "messages[0].content",
            "`messages[0].content` should be a string or a list of parts, not 5.",
        ),
        (
            {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
            "messages[0].content[0].type",
            "`messages[0].content[0].type` is required.",
        ),
        ({"temperature": "1"}, "temperature", '`temperature` should be a valid number, not "1".'),
        ({"temperature": True}, "temperature", "`temperature` should be a valid number, not true."),
        ({"temperature": 2.1}, "temperature", "`temperature` should be between 0 and 2, not 2.1."),
        ({"temperature": -1}, "temperature", "`temperature` should be between 0 and 2, not -1."),
        ({"top_p": 1.5}, "top_p", "`top_p` should be between 0 and 1, not 1.5."),
        ({"max_tokens": 0}, "max_tokens", "should be greater than or equal to 1, not 0."),
        ({"max_tokens": 1.5}, "max_tokens", "`max_tokens` should be a valid integer, not 1.5."),
        ({"max_completion_tokens": -1}, "max_completion_tokens", "greater than or equal to 1"),
        ({"seed": 1.0}, "seed", "`seed` should be a valid integer"),
        ({"seed": 2**63}, "seed", "`seed` should be less than 9223372036854775808"),
        ({"n": 0}, "n", "`n` should be between 1 and 128, not 0."),
        ({"stop": 5}, "stop", "`stop` should be a string or a list of strings, not 5."),
        ({"stop": [5]}, "stop[0]", "`stop[0]` should be a valid string, not 5."),
        ({"stop": ""}, "stop[0]", "`stop[0]` should have at least 1 character"),
        ({"stop": ["a", ""]}, "stop[1]", "`stop[1]` should have at least 1 character"),
        ({"stop": ["a"] * (MAX_STOPS + 1)}, "stop", "`stop` should have at most 16 items"),
        (
            {"stop": {"a": 1}},
            "stop",
            "`stop` should be a string or a list of strings, not an object",
        ),
        ({"stream": 1}, "stream", "`stream` should be a valid boolean, not 1."),
        ({"stream": True, "stream_options": 1}, "stream_options", "should be an object"),
        (
            {"stream": True, "stream_options": {"include_usage": "yes"}},
            "stream_options.include_usage",
            'should be a valid boolean, not "yes".',
        ),
        ({"stream_options": {}}, "stream_options", "only allowed with `stream`"),
    ],
)
def test_the_field_and_what_it_should_be_are_named(
    address: str, dispatch: ScriptedDispatch, fields: dict[str, object], param: str, message: str
) -> None:
    answer = post(address, msgspec.json.encode({**GOOD, **fields}))

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["param"] == param
    assert message in error["message"]
    assert error["hint"]
    assert not dispatch.asked


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    assert parse_json(b'{"seed": 1, "a": {"b": 1, "b": 2}, "seed": 3}') == {
        "seed": 3,
        "a": {"b": 2},
    }


def test_what_lies_within_the_limits_of_json_is_taken() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH

    assert msgspec.json.encode(parse_json(deepest)) == deepest
    assert parse_json(b"[18446744073709551615, -9223372036854775808]")
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"


def test_a_long_value_is_not_repeated_to_the_client(address: str) -> None:
    answer = post(address, msgspec.json.encode({**GOOD, "seed": "s" * 50}))

    assert answer.json()["error"]["message"] == "`seed` should be a valid integer."


def test_the_bounds_themselves_are_fine(address: str, dispatch: ScriptedDispatch) -> None:
    edges = {"temperature": 2, "top_p": 0, "max_tokens": 1, "seed": 2**63 - 1, "stop": ["a"] * 16}

    assert post(address, msgspec.json.encode({**GOOD, **edges})).status_code == 200
    assert dispatch.asked[0].sampling.seed == 2**63 - 1


def test_a_query_of_the_wrong_type_is_explained_too(address: str) -> None:
    answer = httpx.post(f"{address}/v1/models/org/one/load?wait=perhaps")

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "wait"
