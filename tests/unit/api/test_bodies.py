"""Bodies that are large: what is read of them, where, and what is too much."""

import importlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_gui.api.bodies import (
    LARGE_BYTES,
    MAX_CONTAINERS,
    MAX_KEYS,
    MAX_VALUES,
    check_shape,
    decode,
    is_large,
)
from mlx_gui.api.fields import MAX_MEMBERS, MAX_TOOLS
from mlx_gui.core.errors import InvalidRequest
from tests.unit.api.parts import (
    MODEL,
    Running,
    ScriptedDispatch,
    application,
    config,
    services,
    serving,
)

TURN = {"role": "user", "content": "Hi"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
FUNCTION = {"type": "function", "function": {"name": "f"}}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [TURN]},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/tokenize": {"messages": [TURN]},
    "/v1/responses": {"input": [TURN], "store": False},
    "/v1/responses/input_tokens": {"input": [TURN]},
    "/v1/messages": {"messages": [TURN], "max_tokens": 5},
    "/v1/messages/count_tokens": {"messages": [TURN]},
    "/api/chat": {"messages": [TURN]},
    "/api/generate": {"prompt": "Hi"},
}
TRANSLATIONS = [
    ("/v1/chat/completions", "openai.chat", "to_core"),
    ("/v1/completions", "openai.completions", "to_core"),
    ("/v1/tokenize", "openai.tokens", "tokenize_request"),
    ("/v1/responses", "openai.responses", "to_core"),
    ("/v1/responses/input_tokens", "openai.responses", "to_prompt"),
    ("/v1/messages", "anthropic.messages", "to_core"),
    ("/v1/messages/count_tokens", "anthropic.messages", "to_count"),
    ("/api/chat", "ollama.chat", "to_core"),
    ("/api/generate", "ollama.generate", "to_core"),
]
FILLING = {"metadata_of_nobody": [{}] * 2000}
"""What nothing reads, so many that the body is large."""

scalars = st.none() | st.booleans() | st.integers(-9, 99) | st.text('"\\[]{},:a中', max_size=12)
keys = st.text('"\\[a', max_size=4)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner),
    max_leaves=40,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    dispatch = ScriptedDispatch()
    parts = services(config(tmp_path_factory.mktemp("data")), dispatch=dispatch)
    with serving(application(parts)) as address:
        yield Running(address, dispatch)


def ask(address: str, path: str, **fields: object) -> httpx.Response:
    body = {"model": MODEL.id, **BODIES[path], **fields}
    return httpx.post(address + path, json=body, timeout=60)


def error_of(answer: httpx.Response) -> str:
    error = answer.json()["error"]
    return error if isinstance(error, str) else error["message"]


@pytest.mark.parametrize(("path", "family", "name"), TRANSLATIONS)
def test_a_large_body_is_parsed_validated_and_translated_beside_the_loop(
    address: str, monkeypatch: pytest.MonkeyPatch, path: str, family: str, name: str
) -> None:
    threads: list[str] = []

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def note(*args: Any, **keywords: Any) -> Any:
            threads.append(threading.current_thread().name)
            return work(*args, **keywords)

        return note

    routes = importlib.import_module(f"mlx_gui.api.{family}.routes")
    validation = importlib.import_module("mlx_gui.api.validation")
    monkeypatch.setattr(routes, name, noted(getattr(routes, name)))
    monkeypatch.setattr(validation, "decode", noted(decode))

    ask(address, path)
    assert len(threads) == 2
    assert not any(each.startswith("bodies") for each in threads)
    threads.clear()
    ask(address, path, **FILLING)
    assert len(threads) == 2
    assert all(each.startswith("bodies") for each in threads)


@pytest.mark.parametrize("path", BODIES)
def test_a_large_body_is_answered_and_refused_as_a_small_one(
    address: str, dispatch: ScriptedDispatch, path: str
) -> None:
    for field in ({}, {"model": 7}, {"model": "nobody"}, {next(iter(BODIES[path])): 7}):
        small = ask(address, path, **field)
        large = ask(address, path, **field, **FILLING)
        assert small.status_code == large.status_code
        if small.is_error:
            assert error_of(small) == error_of(large)
    assert all(asked == dispatch.asked[0] for asked in dispatch.asked)


@pytest.mark.parametrize(
    ("path", "param", "field"),
    [
        ("/v1/chat/completions", "messages", [TURN] * (MAX_MEMBERS + 1)),
        ("/v1/tokenize", "messages", [TURN] * (MAX_MEMBERS + 1)),
        ("/v1/responses", "input", [TURN] * (MAX_MEMBERS + 1)),
        ("/v1/messages", "messages", [TURN] * (MAX_MEMBERS + 1)),
        ("/v1/messages/count_tokens", "messages", [TURN] * (MAX_MEMBERS + 1)),
        ("/api/chat", "messages", [TURN] * (MAX_MEMBERS + 1)),
        ("/v1/messages", "system", [{"type": "text", "text": "a"}] * (MAX_MEMBERS + 1)),
        ("/api/generate", "images", ["a"] * (MAX_MEMBERS + 1)),
        (
            "/v1/chat/completions",
            "messages[0].content",
            [{**TURN, "content": [{"type": "text", "text": "a"}] * (MAX_MEMBERS + 1)}],
        ),
        (
            "/v1/chat/completions",
            "messages[0].tool_calls",
            [{"role": "assistant", "tool_calls": [{"id": "a"}] * (MAX_MEMBERS + 1)}],
        ),
        (
            "/v1/messages",
            "messages[0].content",
            [{**TURN, "content": [{"type": "text", "text": "a"}] * (MAX_MEMBERS + 1)}],
        ),
        (
            "/v1/responses",
            "input[0].content",
            [{**TURN, "content": [{"type": "input_text", "text": "a"}] * (MAX_MEMBERS + 1)}],
        ),
        ("/api/chat", "messages[0].images", [{**TURN, "images": ["a"] * (MAX_MEMBERS + 1)}]),
        ("/api/chat", "tools", [FUNCTION] * (MAX_TOOLS + 1)),
        ("/v1/messages", "tools", [TOOL] * (MAX_TOOLS + 1)),
        ("/v1/responses", "tools", [{"type": "function", "name": "f"}] * (MAX_TOOLS + 1)),
        ("/v1/chat/completions", "tools", [FUNCTION] * 2000),
    ],
)
def test_lists_are_bounded_in_every_api(
    address: str, dispatch: ScriptedDispatch, path: str, param: str, field: list[object]
) -> None:
    answer = ask(address, path, **{param.partition("[")[0]: field})

    assert answer.status_code == 400
    most = 128 if len(field) == 2000 else MAX_TOOLS if param == "tools" else MAX_MEMBERS
    assert f"`{param}` should have at most {most} items" in error_of(answer)
    assert dispatch.asked == []


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("filling", "said"),
    [
        ([[]] * (MAX_CONTAINERS + 1), f"more than {MAX_CONTAINERS} objects and lists"),
        ({f"{n}": 0 for n in range(MAX_KEYS + 1)}, f"more than {MAX_KEYS} keys"),
        ([0] * (MAX_VALUES + 2), f"more than {MAX_VALUES} values"),
    ],
    ids=["lists", "keys", "values"],
)
def test_what_a_body_holds_is_bounded_in_every_api(
    address: str, path: str, filling: object, said: str
) -> None:
    answer = ask(address, path, unknown=filling)

    assert answer.status_code == 400
    assert said in error_of(answer)


def test_what_stands_in_strings_is_not_counted() -> None:
    text = '[{"a": [1, 2]}, ' * MAX_CONTAINERS + '"\\'
    check_shape(json.dumps({"model": text, "b": [text, {"c": text}]}).encode())
    with pytest.raises(InvalidRequest):
        check_shape(text.encode())


@settings(deadline=None, max_examples=200)
@given(value=json_values, ascii=st.booleans(), space=st.sampled_from([None, 1]))
def test_values_are_read_in_steps_as_at_once(value: object, ascii: bool, space: int | None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlx_gui.api.bodies._STEP_BYTES", 3)
        patch.setattr("mlx_gui.api.bodies._FEW", 1)
        body = json.dumps(value, ensure_ascii=ascii, indent=space).encode()
        assert decode(body) == value
        counted: dict[str, int] = {"MAX_CONTAINERS": 0, "MAX_KEYS": 0, "MAX_VALUES": 0}
        _count(value, counted)
        for name, count in counted.items():
            patch.setattr(f"mlx_gui.api.bodies.{name}", count)
        check_shape(body)
        for name, count in counted.items():
            patch.setattr(f"mlx_gui.api.bodies.{name}", count - 1)
            if count:
                with pytest.raises(InvalidRequest):
                    check_shape(body)
            patch.setattr(f"mlx_gui.api.bodies.{name}", count)


def _count(value: object, counted: dict[str, int]) -> None:
    members: list[object] = []
    if isinstance(value, dict):
        members = list(cast(dict[str, object], value).values())
        counted["MAX_KEYS"] += len(members)
    elif isinstance(value, list):
        members = cast(list[object], value)
    else:
        return
    counted["MAX_CONTAINERS"] += 1
    counted["MAX_VALUES"] += max(len(members) - 1, 0)
    for member in members:
        _count(member, counted)


@pytest.mark.parametrize(
    ("body", "large"),
    [
        (b" " * LARGE_BYTES, False),
        (b" " * (LARGE_BYTES + 1), True),
        (b"[" * 1025, True),
        (b'{"a": "b"}', False),
    ],
)
def test_a_body_is_large_by_its_bytes_or_by_what_it_holds(body: bytes, large: bool) -> None:
    assert is_large(body) is large


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": [' + b"{}," * 2000 + b"NaN]}", "invalid character"),
        (b'{"a": [' + b"{}," * 2000 + b'"\xff"]}', "not UTF-8"),
        (b"[" * 10_000, "nested too deeply"),
        (b'{"a": [' + b"{}," * 2000, "truncated"),
        (b'{"a": ' + b"[" * 200 + b"{}," * 2000 + b"{}" + b"]" * 200 + b"}", "nested too deeply"),
    ],
)
def test_a_large_body_that_is_no_json_is_refused_with_the_reason(
    address: str, content: bytes, said: str
) -> None:
    for path in BODIES:
        answer = httpx.post(
            address + path, content=content, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400
        assert said in error_of(answer)
