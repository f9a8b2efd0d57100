"""Ollama's endpoints over HTTP: how bodies are read, how streams end, what is refused and how."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from mlx_gui.api.ollama.errors import OllamaError, error_body
from mlx_gui.api.ollama.models.wire import OllamaVersion
from mlx_gui.core.errors import ContextTooLong, QueueTimeout, WorkerFailed, error_classes
from mlx_gui.core.generation import (
    Delta,
    Done,
    Event,
    Failed,
    GenerateRequest,
    Prepared,
    Sampling,
    ToolResultPart,
    Usage,
)
from tests.unit.api.parts import (
    DEADLINE_S,
    MODEL,
    ScriptedDispatch,
    Shelf,
    application,
    config,
    services,
    serving,
)

Events = AsyncGenerator[Event]
HI = {"model": "org/one", "messages": [{"role": "user", "content": "Hi"}]}
PROMPT = {"model": "org/one", "prompt": "Hi"}
TOO_LONG = ContextTooLong("The prompt has 9 tokens, the context 8.", hint="Shorten it.")


def chat(address: str, **fields: object) -> httpx.Response:
    return httpx.post(f"{address}/api/chat", json={**HI, **fields}, timeout=DEADLINE_S)


def generate(address: str, **fields: object) -> httpx.Response:
    return httpx.post(f"{address}/api/generate", json={**PROMPT, **fields}, timeout=DEADLINE_S)


def error_of(answer: httpx.Response) -> OllamaError:
    return OllamaError.model_validate_json(answer.content)


async def refuse(_: GenerateRequest) -> Events:
    yield Failed(TOO_LONG.info())


async def crash_midway(_: GenerateRequest) -> Events:
    yield Prepared(3)
    yield Delta(0, "Hel")
    yield Failed(WorkerFailed("The worker was killed.", hint="Send it again.").info())


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_every_error_has_ollamas_shape_and_ours(code: str) -> None:
    error = error_classes()[code]("It went wrong.", hint="Mend it.", details={"count": 3})

    assert OllamaError.model_validate_json(error_body(error, "request-1")) == OllamaError(
        error="It went wrong.",
        code=code,
        hint="Mend it.",
        details={"count": 3},
        request_id="request-1",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain; charset=utf-8"},
        {"content-type": "application/json"},
        {"content-type": "nonsense"},
    ],
)
def test_a_body_is_json_whatever_type_it_is_declared_to_be(
    address: str, dispatch: ScriptedDispatch, headers: dict[str, str]
) -> None:
    answer = httpx.post(
        f"{address}/api/chat", content=json.dumps({**HI, "stream": False}), headers=headers
    )

    assert answer.status_code == 200
    assert answer.json()["message"]["content"] == "Hello there"
    assert dispatch.asked[0].messages[0].text() == "Hi"


def test_a_refusal_before_the_stream_is_a_plain_error(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = refuse

    answer = chat(address)

    assert answer.status_code == 400
    assert answer.headers["x-should-retry"] == "false"
    error = error_of(answer)
    assert (error.code, error.error) == ("context_length_exceeded", TOO_LONG.message)
    assert (error.hint, error.request_id) == ("Shorten it.", answer.headers["x-request-id"])


def test_a_failure_in_a_stream_is_its_last_line(address: str, dispatch: ScriptedDispatch) -> None:
    dispatch.script = crash_midway

    answer = generate(address)

    assert answer.status_code == 200
    first, last = answer.text.splitlines()
    assert json.loads(first)["response"] == "Hel"
    error = OllamaError.model_validate_json(last)
    assert (error.code, error.request_id) == ("worker_failed", answer.headers["x-request-id"])


def test_a_failure_of_a_whole_answer_is_a_plain_error(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = crash_midway

    answer = generate(address, stream=False)

    assert (answer.status_code, error_of(answer).code) == (500, "worker_failed")
    assert answer.headers["retry-after"] == "1"


def test_a_stream_that_waits_is_begun_without_a_byte_and_may_fail_by_a_line(
    dispatch: ScriptedDispatch, tmp_path: Path
) -> None:
    committed = threading.Event()

    async def wait_then_refuse(_: GenerateRequest) -> Events:
        await asyncio.to_thread(committed.wait, DEADLINE_S)
        yield Failed(QueueTimeout("It waited too long.").info())

    dispatch.script = wait_then_refuse
    parts = services(config(tmp_path, stream_commit_s=0.05), dispatch=dispatch)
    with (
        serving(application(parts)) as address,
        httpx.stream("POST", f"{address}/api/chat", json=HI, timeout=DEADLINE_S) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        committed.set()
        (line,) = answer.iter_lines()

    assert OllamaError.model_validate_json(line).code == "queue_timeout"


@pytest.mark.parametrize(
    ("keep_alive", "seconds"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        (300, 300),
        (0.5, 0.5),
        (0, 0),
        ("0", 0),
        (-1, -1),
        ("-1", -1),
        ("-10m", -1),
        (None, None),
    ],
)
def test_the_keep_alive_goes_with_the_request(
    address: str, dispatch: ScriptedDispatch, keep_alive: object, seconds: float | None
) -> None:
    assert chat(address, keep_alive=keep_alive).status_code == 200
    assert generate(address, keep_alive=keep_alive).status_code == 200
    assert dispatch.kept_s == [seconds, seconds]


@pytest.mark.parametrize("endpoint", ["chat", "generate"])
@pytest.mark.parametrize(
    "keep_alive",
    ["1e400", '""', '"abc"', "[]", "{}", "true", "false", "1e12", '"9999999h"', '"5 m"', "NaN"],
)
def test_a_keep_alive_that_is_none_is_refused_in_ollamas_shape(
    address: str, dispatch: ScriptedDispatch, endpoint: str, keep_alive: str
) -> None:
    whole = json.dumps({"chat": HI, "generate": PROMPT}[endpoint])
    body = whole.removesuffix("}") + f', "keep_alive": {keep_alive}}}'
    answer = httpx.post(f"{address}/api/{endpoint}", content=body)

    assert answer.status_code == 400
    assert error_of(answer).code == "invalid_request"
    assert not dispatch.asked


@pytest.mark.parametrize("stream", [False, True])
def test_a_context_beyond_the_models_is_answered_with_the_one_there_is(
    address: str, dispatch: ScriptedDispatch, stream: bool
) -> None:
    more = chat(address, stream=stream, options={"num_ctx": 4097})
    enough = chat(address, stream=stream, options={"num_ctx": 4096})

    assert (more.status_code, more.headers["x-context-tokens"]) == (200, "4096")
    assert "x-context-tokens" not in enough.headers


CALLED_WITH_TEXT = {
    "role": "assistant",
    "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
}
BAD: list[tuple[str, dict[str, object], str, str]] = [
    ("chat", {"model": None}, "model", "`model` should be a valid string, not null."),
    ("chat", {"model": ""}, "model", "should have at least 1 character"),
    ("chat", {"messages": "Hi"}, "messages", 'should be a valid list, not "Hi".'),
    (
        "chat",
        {"messages": [{"role": "robot"}]},
        "messages[0].role",
        "'system', 'user', 'assistant' or 'tool', not \"robot\".",
    ),
    (
        "chat",
        {"messages": [{"role": "user", "content": ["Hi"]}]},
        "messages[0].content",
        "should be a valid string, not a list.",
    ),
    (
        "chat",
        {"messages": [CALLED_WITH_TEXT]},
        "messages[0].tool_calls[0].function.arguments",
        'should be an object, not "{}".',
    ),
    (
        "chat",
        {"messages": [{"role": "user", "images": ["aGk="]}]},
        "messages[0].images",
        "reads text only",
    ),
    ("chat", {"tools": [{"type": "browser"}]}, "tools[0].type", "should be 'function'"),
    ("chat", {"tools": [{"function": {}}]}, "tools[0].function.name", "is required"),
    (
        "chat",
        {"tools": [{"function": {"name": "f", "parameters": {"properties": {"a": 5}}}}]},
        "tools[0].function.parameters.properties.a",
        "should be a JSON schema",
    ),
    ("chat", {"think": "a lot"}, "think", "should be true, false, low, medium or high"),
    ("chat", {"think": 1}, "think", "should be true, false, low, medium or high, not 1."),
    ("chat", {"format": "yaml"}, "format", 'should be json or a JSON schema, not "yaml".'),
    ("chat", {"format": [1]}, "format", "should be json or a JSON schema, not a list."),
    ("chat", {"stream": "no"}, "stream", 'should be a valid boolean, not "no".'),
    ("chat", {"keep_alive": "soon"}, "keep_alive", "seconds or a duration like 5m"),
    ("chat", {"keep_alive": True}, "keep_alive", "or -1 for ever, not true."),
    ("chat", {"keep_alive": 1e12}, "keep_alive", "up to 3153600000 s"),
    ("chat", {"logprobs": True, "top_logprobs": 21}, "top_logprobs", "between 0 and 20, not 21."),
    ("chat", {"top_logprobs": 2}, "top_logprobs", "only allowed with `logprobs`"),
    ("chat", {"options": 5}, "options", "should be an object"),
    ("generate", {"prompt": 5}, "prompt", "should be a valid string, not 5."),
    ("generate", {"suffix": ".", "template": "{{ x }}"}, "template", "not allowed with `suffix`"),
    ("generate", {"images": ["aGk="]}, "images", "reads text only"),
    ("generate", {"context": "x"}, "context", "should be a valid list"),
    ("generate", {"context": [1, "x"]}, "context[1]", "a valid integer"),
    ("generate", {"context": [1.5]}, "context[0]", "a valid integer"),
    ("generate", {"context": [-1]}, "context[0]", "greater than or equal to 0"),
    ("generate", {"context": [2**31]}, "context[0]", "less than 2147483648"),
    ("generate", {"raw": True, "context": [1]}, "context", "not allowed with `raw`"),
    ("chat", {"think": True}, "think", '"org/one" does not support thinking'),
    ("chat", {"think": "low"}, "think", '"org/one" does not support thinking'),
    ("chat", {"messages": [], "think": True}, "think", '"org/one" does not support thinking'),
    ("generate", {"think": "high"}, "think", '"org/one" does not support thinking'),
    ("generate", {"template": "{{ .Prompt }}"}, "template", "is a Go template"),
    ("generate", {"raw": True, "system": "s"}, "system", "not allowed with `raw`"),
    *(
        ("generate", {"options": {name: value}}, f"options.{name}", message)
        for name, value, message in (
            ("temperature", "hot", 'a valid number, not "hot".'),
            ("temperature", True, "a valid number, not true."),
            ("top_p", "most", 'a valid number, not "most".'),
            ("min_p", [0.5], "a valid number"),
            ("top_k", 1.5, "a valid integer, not 1.5."),
            ("num_ctx", 8192.5, "a valid integer, not 8192.5."),
            ("num_ctx", "8192", 'a valid integer, not "8192".'),
            ("num_predict", True, "a valid integer, not true."),
            ("seed", 2**63, "less than 9223372036854775808"),
            ("seed", 1e300, "less than 9223372036854775808"),
            ("num_predict", -1e300, "greater than or equal to -9223372036854775808"),
            ("stop", 5, "a string or a list of strings, not 5."),
        )
    ),
    ("generate", {"options": {"stop": [5]}}, "options.stop[0]", "a valid string, not 5."),
    ("show", {}, "model", "`model` is required."),
    ("show", {"model": None}, "model", "`model` should be a valid string, not null."),
    ("show", {"name": ""}, "name", "should have at least 1 character"),
]


@pytest.mark.parametrize(("endpoint", "fields", "param", "message"), BAD)
def test_bad_input_is_refused_with_the_field_and_what_it_should_be(
    address: str,
    dispatch: ScriptedDispatch,
    endpoint: str,
    fields: dict[str, object],
    param: str,
    message: str,
) -> None:
    whole: dict[str, Any] = {"chat": HI, "generate": PROMPT, "show": {}}[endpoint]
    answer = httpx.post(f"{address}/api/{endpoint}", json={**whole, **fields})

    error = error_of(answer)
    assert answer.status_code == 400
    assert error.details.get("param", "") == param
    assert message in error.error
    assert error.hint
    assert not dispatch.asked


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"num_ctx": 8192.0, "num_predict": 12.0}, {"max_tokens": 12}),
        ({"num_predict": -1}, {"max_tokens": None}),
        ({"num_predict": -2.0}, {"max_tokens": None}),
        ({"num_predict": -3}, {"max_tokens": None}),
        ({"num_predict": 0}, {"max_tokens": None}),
        ({"num_ctx": 0}, {}),
        ({"num_ctx": 1}, {}),
        ({"stop": None}, {"stop": ()}),
        ({"stop": ""}, {"stop": ()}),
        ({"stop": ["", "END"]}, {"stop": ("END",)}),
        ({"stop": [str(number) for number in range(128)]}, {}),
        ({"temperature": 2.5}, {"sampling": Sampling(temperature=2.5)}),
        ({"temperature": -1}, {"sampling": Sampling(temperature=0)}),
        ({"top_k": 0}, {"sampling": Sampling(top_k=0)}),
        ({"top_k": -7}, {"sampling": Sampling(top_k=0)}),
        ({"top_k": 40.0}, {"sampling": Sampling(top_k=40)}),
        ({"seed": -1}, {"sampling": Sampling()}),
        ({"seed": -1.0}, {"sampling": Sampling()}),
        ({"seed": -5}, {"sampling": Sampling(seed=-5)}),
        ({"top_p": -0.1, "min_p": 2}, {"sampling": Sampling(top_p=0, min_p=1)}),
        ({"top_p": 1.5, "min_p": -1}, {"sampling": Sampling(top_p=1, min_p=0)}),
        ({"repeat_penalty": 0}, {"sampling": Sampling(repetition_penalty=1)}),
        ({"repeat_penalty": -1}, {"sampling": Sampling(repetition_penalty=1)}),
        ({"repeat_penalty": 1e9}, {"sampling": Sampling(repetition_penalty=100)}),
        ({"presence_penalty": 3}, {"sampling": Sampling(presence_penalty=3)}),
        ({"frequency_penalty": -1e308}, {"sampling": Sampling(frequency_penalty=-100)}),
        ({"repeat_last_n": -2}, {}),
        ({"repeat_last_n": 64.0}, {}),
        (
            {
                "num_keep": 24,
                "mirostat": 1,
                "mirostat_tau": 0.8,
                "mirostat_eta": 0.6,
                "tfs_z": 1,
                "typical_p": 0.7,
                "penalize_newline": True,
                "numa": False,
                "num_batch": 2,
                "num_gpu": 1,
                "main_gpu": 0,
                "use_mmap": True,
                "num_thread": 8,
            },
            {"sampling": Sampling(), "max_tokens": None},
        ),
    ],
    ids=str,
)
def test_options_that_ollama_takes_are_taken(
    address: str, dispatch: ScriptedDispatch, options: dict[str, object], wanted: dict[str, object]
) -> None:
    for ask in (chat, generate):
        answer = ask(address, options=options)
        assert answer.status_code == 200, answer.text
    for asked in dispatch.asked:
        assert {name: getattr(asked, name) for name in wanted} == wanted


@pytest.mark.parametrize("think", [True, False, "low", "medium", "high", None])
def test_whoever_can_think_is_told_how_much(think: object, tmp_path: Path) -> None:
    dispatch = ScriptedDispatch()
    thinker = replace(MODEL, facts=replace(MODEL.facts, capabilities=("chat", "thinking")))
    parts = services(config(tmp_path), dispatch=dispatch, shelf=Shelf(thinker))
    with serving(application(parts)) as address:
        assert chat(address, think=think).status_code == 200
        assert generate(address, think=think).status_code == 200
    enabled, effort = (True, think) if isinstance(think, str) else (think, None)
    assert [(each.reasoning.enabled, each.reasoning.effort) for each in dispatch.asked] == [
        (enabled, effort)
    ] * 2


def test_a_model_that_cannot_think_may_be_told_not_to(address: str) -> None:
    assert chat(address, think=False).status_code == 200


def test_the_context_of_an_earlier_answer_goes_with_the_prompt(
    address: str, dispatch: ScriptedDispatch
) -> None:
    async def tell(_: GenerateRequest) -> Events:
        yield Prepared(3, truncated_tokens=2)
        yield Done(0, "stop")
        yield Usage(3, 1, ids=(5, 6))

    dispatch.script = tell

    answer = generate(address, context=[3.0, 4], template="{{ messages }}", stream=False)
    raw = generate(address, raw=True, stream=False)

    assert (answer.json()["context"], answer.json()["truncated_tokens"]) == ([5, 6], 2)
    assert dispatch.asked[0].earlier == (3, 4)
    assert raw.status_code == 200
    assert [asked.tells_ids for asked in dispatch.asked] == [True, False]


def test_a_text_stands_for_pictures_that_the_user_does_not_show_now(
    address: str, dispatch: ScriptedDispatch
) -> None:
    call = {"function": {"name": "look", "arguments": {}}}
    turns = [
        {"role": "user", "content": "See this.", "images": ["aGk="]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_name": "look", "content": "Done.", "images": ["aGk=", "aGk="]},
    ]

    answer = chat(address, messages=[*turns, *HI["messages"]])
    after_a_tool = chat(address, messages=[*turns[1:]])
    refused = chat(address, messages=[*turns, {**turns[0], "content": "And this."}])

    assert (answer.status_code, after_a_tool.status_code) == (200, 200)
    assert answer.headers["x-mlx-gui-left-out"] == "images"
    seen, _, result, _ = dispatch.asked[0].messages
    there = "[There is a picture here, which this model cannot see.]"
    assert seen.text() == f"See this.\n{there}"
    (part,) = result.parts
    assert isinstance(part, ToolResultPart)
    assert part.text == f"Done.\n{there}\n{there}"
    assert refused.status_code == 400
    assert (error_of(refused).code, error_of(refused).details["param"]) == (
        "capability_missing",
        "messages[3].images",
    )


def test_fields_that_ollama_takes_are_taken(address: str, dispatch: ScriptedDispatch) -> None:
    fields: dict[str, object] = {"logprobs": True, "top_logprobs": 3.0, "shift": False}
    roles = [{"role": "System", "content": "Be brief."}, {"role": "developer", "content": "Hi"}]

    assert generate(address, **fields).status_code == 200
    assert chat(address, messages=[*roles, *HI["messages"]], **fields).status_code == 200

    assert [asked.top_logprobs for asked in dispatch.asked] == [3, 3]
    assert [each.role for each in dispatch.asked[1].messages] == ["system", "system", "user"]


@pytest.mark.parametrize(("truncate", "wanted"), [(None, True), (True, True), (False, False)])
def test_the_oldest_turns_may_be_dropped_unless_that_is_forbidden(
    address: str, dispatch: ScriptedDispatch, truncate: bool | None, wanted: bool
) -> None:
    for ask in (chat, generate):
        assert ask(address, truncate=truncate).status_code == 200

    assert [asked.truncate for asked in dispatch.asked] == [wanted, wanted]


@pytest.mark.parametrize("stream", [False, True])
def test_dropped_turns_are_counted_in_the_answer_and_in_the_log(
    address: str,
    dispatch: ScriptedDispatch,
    stream: bool,
) -> None:
    async def drop(_: GenerateRequest) -> Events:
        yield Prepared(3, truncated_messages=4)
        yield Done(0, "stop")
        yield Usage(3, 1)

    dispatch.script = drop

    with capture_logs() as logs:
        answer = chat(address, stream=stream)

    assert json.loads(answer.text.splitlines()[-1])["truncated_messages"] == 4
    (line,) = [line for line in logs if line["event"] == "oldest_turns_dropped"]
    assert (line["model"], line["messages"], line["prompt_tokens"]) == ("org/one", 4, 3)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"Hi"',
        b"{",
        b'{"model": NaN}',
        b'{"model": "\xff"}',
        b'{"model": "\\ud8"}',
        b"[" * 10_000,
    ],
)
def test_what_is_no_json_object_is_refused(address: str, body: bytes) -> None:
    answer = httpx.post(f"{address}/api/chat", content=body)

    assert (answer.status_code, error_of(answer).code) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("POST", "/api/create", "model_dirs"),
        ("POST", "/api/push", "not uploaded"),
        ("POST", "/api/blobs/sha256:29fd", "model_dirs"),
        ("GET", "/api/nothing", "/docs"),
    ],
)
def test_what_is_not_served_is_not_found_and_says_what_is(
    address: str, method: str, path: str, hint: str
) -> None:
    answer = httpx.request(method, address + path)

    assert (answer.status_code, error_of(answer).code) == (404, "not_found")
    assert path in error_of(answer).error
    assert hint in error_of(answer).hint


def test_a_wrong_method_is_told_the_right_one_in_ollamas_shape(address: str) -> None:
    answer = httpx.get(f"{address}/api/chat")

    assert (answer.status_code, error_of(answer).code) == (405, "method_not_allowed")
    assert error_of(answer).hint == "It takes POST."


@pytest.mark.parametrize("name", ["org/two", "org/one:7b", "org/two:latest", ":latest"])
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/show"])
def test_a_model_that_is_not_there_is_not_found(address: str, path: str, name: str) -> None:
    answer = httpx.post(address + path, json={**HI, **PROMPT, "model": name})

    assert (answer.status_code, error_of(answer).code) == (404, "model_not_found")


@pytest.mark.parametrize(
    "fields",
    [{"model": "org/one"}, {"name": "org/one:latest"}, {"model": "", "name": "org/one"}],
)
def test_a_model_is_shown_by_either_word_and_with_ollamas_default_tag(
    address: str, fields: dict[str, str]
) -> None:
    card = httpx.post(f"{address}/api/show", json=fields).json()

    assert card["details"]["family"] == "llama"
    assert card["template"] == ""


def test_the_version_is_ollamas_and_ours_beside_it(address: str) -> None:
    answer = OllamaVersion.model_validate_json(httpx.get(f"{address}/api/version").content)

    # What Codex asks for before it uses /v1/responses.
    assert tuple(map(int, answer.version.split("."))) >= (0, 13, 4)


@pytest.mark.parametrize("path", ["/api/tags", "/api/version"])
def test_a_client_that_looks_whether_somebody_is_there_is_answered(address: str, path: str) -> None:
    answer = httpx.head(address + path)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["x-request-id"]
