"""`/v1/responses` over HTTP: what is stored, continued, listed, deleted and refused."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlx_gui.api import auth
from mlx_gui.api.principal import LOCAL, Principal
from mlx_gui.core.errors import QueueTimeout, WorkerFailed
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Event,
    Failed,
    GenerateRequest,
    Prepared,
    Tokenized,
    TokenizeRequest,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from mlx_gui.store.database import DATABASE_FILE, Store
from tests.unit.api.parts import (
    DEADLINE_S,
    ScriptedDispatch,
    application,
    config,
    say_hello,
    services,
    serving,
)

Events = AsyncGenerator[Event]
RESPONSES = "/v1/responses"
UNKNOWN = "resp_" + "0" * 32


@dataclass(frozen=True, slots=True)
class Place:
    """A server with a database, and who answers there."""

    client: httpx.Client
    dispatch: ScriptedDispatch
    store: Store
    database: Path

    def post(self, path: str = RESPONSES, **fields: object) -> httpx.Response:
        return self.client.post(path, json={"model": "org/one", "input": "Hi", **fields})

    def answered(self, **fields: object) -> dict[str, Any]:
        return self.post(**fields).raise_for_status().json()

    @contextmanager
    def asked_by(self, who: Principal) -> Iterator[None]:
        """While everything is asked in the name of another principal."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(auth, "principal_of", lambda *_, **__: who)
            yield

    def rows(self) -> int:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute("SELECT count(*) FROM responses").fetchone()[0]


@contextmanager
def place(folder: Path, **settings: object) -> Iterator[Place]:
    dispatch, store = ScriptedDispatch(), Store.open(folder)
    parts = services(
        config(folder, max_body_bytes=2**17, **settings), dispatch=dispatch, store=store
    )
    app = application(parts)
    try:
        with (
            serving(app) as address,
            httpx.Client(base_url=address, timeout=DEADLINE_S, trust_env=False) as client,
        ):
            yield Place(client, dispatch, store, folder / DATABASE_FILE)
    finally:
        store.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("data"), client_stall_s=0.5) as opened:
        yield opened


@pytest.fixture
def here(shared: Place) -> Place:
    shared.dispatch.script = say_hello
    shared.dispatch.asked.clear()
    shared.dispatch.closed.clear()
    return shared


def error_of(answer: httpx.Response) -> dict[str, Any]:
    assert "Traceback" not in answer.text
    return answer.json()["error"]


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [
        json.loads(line.removeprefix("data: "))
        for line in answer.text.splitlines()
        if line.startswith("data: ")
    ]


async def call_a_tool(_: GenerateRequest) -> Events:
    yield Prepared(3)
    yield Delta(0, "Hm.", "reasoning")
    yield CallStarted(0, 0, "call_1", "add")
    yield Delta(0, '{"a": 1}', "tool_call")
    yield Done(0, "tool_calls")
    yield Usage(3, 5, reasoning_tokens=1)


async def crash_midway(_: GenerateRequest) -> Events:
    yield Prepared(3)
    yield Delta(0, "Hel")
    yield Failed(WorkerFailed("The worker was killed.", hint="Send it again.").info())


async def stop_short(_: GenerateRequest) -> Events:
    yield Prepared(3)
    yield Delta(0, "Hel")
    yield Done(0, "length")
    yield Usage(3, 1)


def test_a_response_is_answered_stored_and_retrieved_as_it_was(here: Place) -> None:
    answer = here.answered(metadata={"topic": "greeting"}, instructions="Be kind.")

    assert re.fullmatch(r"resp_[0-9a-f]{32}", answer["id"])
    assert answer["status"] == "completed"
    assert answer["output"][0]["content"][0]["text"] == "Hello there"
    assert answer["usage"]["input_tokens_details"]["cached_tokens"] == 2
    assert (answer["store"], answer["metadata"]) == (True, {"topic": "greeting"})
    assert here.client.get(f"{RESPONSES}/{answer['id']}").json() == answer


def test_a_stream_ends_with_the_stored_response_and_without_done(here: Place) -> None:
    answer = here.post(stream=True)

    events = events_of(answer)
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert "[DONE]" not in answer.text
    response = events[-1]["response"]
    assert here.client.get(f"{RESPONSES}/{response['id']}").json() == response


def test_an_incomplete_response_is_stored_too(here: Place) -> None:
    here.dispatch.script = stop_short

    (last,) = events_of(here.post(stream=True))[-1:]

    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    stored = here.client.get(f"{RESPONSES}/{last['response']['id']}").json()
    assert stored["status"] == "incomplete"


def test_a_conversation_goes_on_with_all_earlier_turns_but_not_their_instructions(
    here: Place,
) -> None:
    first = here.answered(input="One", instructions="Be brief.")
    second = here.answered(input="Two", previous_response_id=first["id"])
    here.answered(
        input="Three",
        instructions="Be long.",
        previous_response_id=second["id"],
        stream=None,
    )

    asked = here.dispatch.asked[-1]
    assert [(message.role, message.text()) for message in asked.messages] == [
        ("system", "Be long."),
        ("user", "One"),
        ("assistant", "Hello there"),
        ("user", "Two"),
        ("assistant", "Hello there"),
        ("user", "Three"),
    ]
    assert second["previous_response_id"] == first["id"]


def test_a_tools_result_continues_the_response_that_called_it(here: Place) -> None:
    here.dispatch.script = call_a_tool
    tools = [{"type": "function", "name": "add", "parameters": {"type": "object"}}]
    first = here.answered(input="Add.", tools=tools)
    assert [item["type"] for item in first["output"]] == ["reasoning", "function_call"]
    here.dispatch.script = say_hello

    result = {"type": "function_call_output", "call_id": "call_1", "output": "2"}
    here.answered(input=[result], previous_response_id=first["id"])

    thought_and_call, answered = here.dispatch.asked[-1].messages[1:]
    assert [type(part).__name__ for part in thought_and_call.parts] == [
        "ReasoningPart",
        "ToolCallPart",
    ]
    assert (answered.role, answered.parts[0].name) == ("tool", "add")  # type: ignore[union-attr]


def test_an_item_can_be_referred_to_by_its_id(here: Place) -> None:
    first = here.answered(input="One")
    (asked,) = here.client.get(f"{RESPONSES}/{first['id']}/input_items").json()["data"]
    references = [{"type": "item_reference", "id": asked["id"]}, {"id": first["output"][0]["id"]}]

    second = here.answered(input=[*references, {"role": "user", "content": "Two"}])

    texts = [message.text() for message in here.dispatch.asked[-1].messages]
    assert texts == ["One", "Hello there", "Two"]
    path = f"{RESPONSES}/{second['id']}/input_items?order=asc"
    items = here.client.get(path).json()["data"]
    assert [item["content"][0]["text"] for item in items] == texts


def test_references_to_more_than_a_body_may_hold_are_refused(here: Place) -> None:
    first = here.answered(input="x" * 60_000)
    (asked,) = here.client.get(f"{RESPONSES}/{first['id']}/input_items").json()["data"]

    answer = here.post(input=[{"type": "item_reference", "id": asked["id"]}] * 3)

    assert answer.status_code == 400
    assert error_of(answer)["param"] == "input[2]"


@pytest.mark.parametrize("stream", [False, True])
def test_what_shall_not_be_stored_leaves_nothing(here: Place, stream: bool) -> None:
    before = here.rows()

    answer = here.post(store=False, stream=stream)

    response = events_of(answer)[-1]["response"] if stream else answer.json()
    assert response["store"] is False
    assert here.client.get(f"{RESPONSES}/{response['id']}").status_code == 404
    refused = here.post(previous_response_id=response["id"])
    assert error_of(refused)["code"] == "previous_response_not_found"
    assert here.rows() == before


def test_with_a_retention_of_no_days_nothing_is_stored(tmp_path: Path) -> None:
    with place(tmp_path, responses_retention_days=0) as here:
        assert here.answered(store=True)["store"] is False
        assert here.rows() == 0


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_is_not_stored(here: Place, stream: bool) -> None:
    here.dispatch.script = crash_midway
    before = here.rows()

    answer = here.post(stream=stream)

    if stream:
        *_, failed, last = events_of(answer)
        assert failed["type"] == "response.failed"
        assert failed["response"]["output"][0]["content"][0]["text"] == "Hel"
        assert (last["type"], last["code"]) == ("error", "worker_failed")
        assert last["error"]["request_id"] == answer.headers["x-request-id"]
    else:
        assert (answer.status_code, error_of(answer)["code"]) == (500, "worker_failed")
    assert here.rows() == before


def test_what_is_refused_before_it_began_is_a_plain_error(here: Place) -> None:
    async def refuse(_: GenerateRequest) -> Events:
        yield Failed(QueueTimeout("It waited too long.").info())

    here.dispatch.script = refuse

    assert here.post(stream=True).status_code == 504


def test_a_client_that_hangs_up_ends_the_generation_and_stores_nothing(here: Place) -> None:
    async def wait_for_ever(_: GenerateRequest) -> Events:
        yield Prepared(3)
        yield Delta(0, "Hel")
        await asyncio.Event().wait()

    here.dispatch.script = wait_for_ever
    before = here.rows()
    body = {"model": "org/one", "input": "Hi", "stream": True}
    with here.client.stream("POST", RESPONSES, json=body) as answer:
        assert "response.created" in next(answer.iter_lines())

    assert here.dispatch.closed.wait(DEADLINE_S)
    assert here.rows() == before


def test_what_a_client_calls_its_tools_is_stored_with_their_calls(here: Place) -> None:
    wait, patch = {"type": "function", "name": "wait"}, {"type": "custom", "name": "patch"}
    tools = [{"type": "namespace", "name": name, "tools": [wait, patch]} for name in ("one", "two")]

    async def call_both(_: GenerateRequest) -> Events:
        yield Prepared(3)
        yield CallStarted(0, 0, "call_1", "two__wait")
        yield Delta(0, "{}", "tool_call")
        yield CallStarted(0, 1, "call_2", "one__patch")
        yield Delta(0, '{"input": "+ a"}', "tool_call", call=1)
        yield Done(0, "tool_calls")
        yield Usage(3, 5)

    here.dispatch.script = call_both
    first = here.answered(tools=tools)
    result = {"type": "function_call_output", "call_id": "call_1", "output": "Done."}
    here.answered(
        previous_response_id=first["id"],
        input=[result, {**result, "type": "custom_tool_call_output", "call_id": "call_2"}],
        tools=tools,
    )

    assert [(item["namespace"], item["name"]) for item in first["output"]] == [
        ("two", "wait"),
        ("one", "patch"),
    ]
    assert here.client.get(f"{RESPONSES}/{first['id']}").json() == first
    assert here.dispatch.asked[-1].messages[1].parts == (
        ToolCallPart("call_1", "two__wait", "{}"),
        ToolCallPart("call_2", "one__patch", '{"input":"+ a"}'),
    )


def test_items_and_parts_that_are_not_read_are_stored_and_listed_all_the_same(here: Place) -> None:
    other = {"id": "of_1", "type": "of_the_future", "rays": [1, 2], "status": "odd"}
    call = {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"}
    picture = {"type": "function_call_output", "call_id": "1", "output": [PICTURE]}

    first = here.answered(input=[other, call, picture, {"role": "user", "content": "Well?"}])
    listed = here.client.get(f"{RESPONSES}/{first['id']}/input_items?order=asc").json()["data"]
    second = here.answered(input="Go on", previous_response_id=first["id"])

    assert listed[0] == other
    assert listed[2]["output"] == [PICTURE]
    assert first["mlx_gui"] == second["mlx_gui"] == {"left_out": ["of_the_future", "input_image"]}
    told = here.dispatch.asked[-1].messages[1].parts[0]
    assert isinstance(told, ToolResultPart)
    assert "cannot see" in told.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_full_disk_costs_the_storing_and_not_the_answer(tmp_path: Path, stream: bool) -> None:
    with place(tmp_path) as here:
        asyncio.run(here.store.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1")))

        answer = here.post(input="x" * 100_000, stream=stream)

        response = events_of(answer)[-1]["response"] if stream else answer.json()
        assert response["status"] == "completed"
        assert response["output"][0]["content"][0]["text"] == "Hello there"
        assert response["store"] is False
        assert here.client.get(f"{RESPONSES}/{response['id']}").status_code == 404


def test_a_deleted_response_is_gone_and_so_is_what_it_began(here: Place) -> None:
    first = here.answered()
    second = here.answered(previous_response_id=first["id"])

    deleted = here.client.delete(f"{RESPONSES}/{first['id']}")

    assert deleted.json() == {"id": first["id"], "object": "response", "deleted": True}
    assert here.client.delete(f"{RESPONSES}/{first['id']}").status_code == 404
    assert here.client.get(f"{RESPONSES}/{second['id']}").status_code == 200
    refused = error_of(here.post(previous_response_id=second["id"]))
    assert refused["code"] == "previous_response_not_found"
    assert first["id"] in refused["message"]


def test_input_items_come_in_pages(here: Place) -> None:
    texts = [f"Line {number}" for number in range(5)]
    response = here.answered(input=[{"role": "user", "content": text} for text in texts])

    def listed(**query: object) -> list[str]:
        found: list[str] = []
        while True:
            page = here.client.get(f"{RESPONSES}/{response['id']}/input_items", params=query).json()
            found += [item["content"][0]["text"] for item in page["data"]]
            assert page["first_id"] == page["data"][0]["id"]
            if not page["has_more"]:
                return found
            query["after"] = page["last_id"]

    assert listed() == texts[::-1]
    assert listed(order="asc", limit=2) == texts
    assert listed(order="desc", limit=1) == texts[::-1]
    assert listed(order="asc", limit=5) == texts


def test_the_input_of_a_response_can_be_counted(here: Place) -> None:
    async def count(request: Any) -> Events:
        assert isinstance(request, TokenizeRequest)
        yield Tokenized((1, 2, 3), ("a", "b", "c"))
        yield Usage(3, 0)

    here.dispatch.script = count

    counted = here.post(f"{RESPONSES}/input_tokens", instructions="Be brief.").json()

    assert counted == {"object": "response.input_tokens", "input_tokens": 3}
    (asked,) = here.dispatch.asked
    assert [m.text() for m in asked.request.messages] == ["Be brief.", "Hi"]  # type: ignore[attr-defined]


def test_no_tenant_sees_the_responses_of_another(here: Place) -> None:
    id = here.answered()["id"]
    item = {"type": "item_reference", "id": f"msg_{id.removeprefix('resp_')}_0"}

    with here.asked_by(Principal("key-1", "team-a", LOCAL.scopes)):
        assert here.client.get(f"{RESPONSES}/{id}").status_code == 404
        assert here.client.get(f"{RESPONSES}/{id}/input_items").status_code == 404
        assert here.client.delete(f"{RESPONSES}/{id}").status_code == 404
        refused = error_of(here.post(previous_response_id=id))
        assert refused["code"] == "previous_response_not_found"
        assert here.post(input=[item]).status_code == 400
        theirs = here.answered()["id"]

    assert here.client.get(f"{RESPONSES}/{id}").status_code == 200
    assert here.client.get(f"{RESPONSES}/{theirs}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "param"),
    [
        ("GET", f"{RESPONSES}/{UNKNOWN}", 404, None),
        ("GET", f"{RESPONSES}/nonsense", 404, None),
        ("DELETE", f"{RESPONSES}/{UNKNOWN}", 404, None),
        ("GET", f"{RESPONSES}/{UNKNOWN}/input_items", 404, None),
        ("POST", f"{RESPONSES}/{UNKNOWN}/cancel", 404, None),
        ("POST", f"{RESPONSES}/STORED/cancel", 400, "response_id"),
        ("GET", f"{RESPONSES}/STORED?stream=true", 400, "stream"),
        ("GET", f"{RESPONSES}/STORED/input_items?limit=0", 400, "limit"),
        ("GET", f"{RESPONSES}/STORED/input_items?limit=101", 400, "limit"),
        ("GET", f"{RESPONSES}/STORED/input_items?order=up", 400, "order"),
        ("GET", f"{RESPONSES}/STORED/input_items?after=nothing", 400, "after"),
    ],
)
def test_what_cannot_be_done_with_a_stored_response_is_said(
    here: Place, method: str, path: str, status: int, param: str | None
) -> None:
    if "STORED" in path:
        path = path.replace("STORED", here.answered()["id"])

    answer = here.client.request(method, path)

    assert (answer.status_code, error_of(answer)["param"]) == (status, param)


FUNCTION = {"type": "function", "name": "add", "parameters": {"type": "object"}}
PICTURE = {"type": "input_image", "image_url": "http://127.0.0.1:9/never-fetched.png"}


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"input": None}, "input", "should be a string or a list of items, not null."),
        ({"input": 5}, "input", "should be a string or a list of items, not 5."),
        ({"input": []}, "input", "should have at least 1 item"),
        ({"input": [5]}, "input[0]", "`input[0]` should be an object."),
        ({"input": [{}]}, "input[0].type", "is required"),
        ({"input": [{"content": "Hi"}]}, "input[0].type", "is required"),
        ({"input": [{"type": "message"}]}, "input[0].role", "is required"),
        ({"input": [{"role": "robot", "content": "Hi"}]}, "input[0].role", 'not "robot"'),
        ({"input": [{"role": "user"}]}, "input[0].content", "is required"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content", "a string or a list"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "input[0].content[0].text",
            "is required",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "smell", "text": "x"}]}]},
            "input[0].content[0].type",
            "should be input_text, not 'smell'",
        ),
        ({"input": [{"role": "user", "content": [PICTURE]}]}, "input[0].content[0]", "text only"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0].type", "web_search"),
        ({"input": [{"type": "function_call"}]}, "input[0].call_id", "is required"),
        (
            {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": [1]}]},
            "input[0].arguments",
            "valid string",
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": "2"}]},
            "input[0].call_id",
            "'c', which does not come before it",
        ),
        ({"input": [{"type": "item_reference"}]}, "input[0].id", "not stored here"),
        ({"input": [{"id": "msg_1"}]}, "input[0].id", "'msg_1', which is not stored here"),
        ({"input": [{"id": f"msg_{'0' * 32}_0"}]}, "input[0].id", "not stored here"),
        ({"previous_response_id": "nonsense"}, "previous_response_id", "no response's id"),
        ({"previous_response_id": ""}, "previous_response_id", "no response's id"),
        ({"previous_response_id": UNKNOWN}, "previous_response_id", "not stored here"),
        ({"previous_response_id": 5}, "previous_response_id", "valid string, not 5"),
        ({"conversation": "conv_1"}, "conversation", "not served"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "not served"),
        ({"background": True}, "background", "should be false"),
        ({"instructions": 5}, "instructions", "valid string"),
        ({"temperature": 2.1}, "temperature", "between 0 and 2, not 2.1"),
        ({"top_p": -1}, "top_p", "between 0 and 1"),
        ({"top_k": -2}, "top_k", "between -1 and"),
        ({"presence_penalty": 3}, "presence_penalty", "between -2 and 2"),
        ({"logit_bias": {"a": 1}}, "logit_bias", "token ids as keys"),
        ({"logit_bias": {"-1": 1}}, "logit_bias", "token ids as keys"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1", "between -100 and 100"),
        ({"stop": 5}, "stop", "a string or a list of strings"),
        ({"max_output_tokens": 0}, "max_output_tokens", "greater than or equal to 1"),
        ({"top_logprobs": 21}, "top_logprobs", "between 0 and 20"),
        ({"include": ["everything"]}, "include[0]", 'not "everything"'),
        ({"truncation": "sometimes"}, "truncation", "'auto' or 'disabled'"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", 'not "huge"'),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata", "at most 16 items"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "at most 512 characters"),
        ({"metadata": {"a": 5}}, "metadata.a", "valid string"),
        ({"store": "no"}, "store", "valid boolean"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", "not 'xml'"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema", "is required"),
        (
            {"text": {"format": {"type": "json_schema", "schema": {"$ref": "#"}}}},
            "text.format.schema.$ref",
            "refers to '#'",
        ),
        (
            {"tools": [{"type": "web_search"}], "tool_choice": "required"},
            "tool_choice",
            "does not have the tools offered: web_search",
        ),
        (
            {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}},
            "tool_choice",
            "'web_search'",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "is required"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name", "not 'a b'"),
        ({"tools": [FUNCTION, FUNCTION]}, "tools[1]", "second tool with the name 'add'"),
        (
            {"tools": [{**FUNCTION, "parameters": {"type": "array"}}]},
            "tools[0].parameters.type",
            "should be object, not 'array'",
        ),
        (
            {"tools": [{**FUNCTION, "parameters": "{}"}]},
            "tools[0].parameters",
            "should be an object",
        ),
        ({"tool_choice": "required"}, "tool_choice", "names no tool"),
        ({"tool_choice": "perhaps"}, "tool_choice", "'perhaps'"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice", "'file_search'"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name", "is required"),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "sub"}},
            "tool_choice.name",
            "'sub', which is not among the tools",
        ),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "mode": "auto"}},
            "tool_choice.tools",
            "is required",
        ),
        (
            {
                "tools": [FUNCTION],
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "auto",
                    "tools": [{"type": "function", "name": "sub"}],
                },
            },
            "tool_choice.tools[0].name",
            "'sub', which is not among the tools",
        ),
    ],
)
def test_the_field_and_what_it_should_be_are_named(
    here: Place, fields: dict[str, object], param: str, message: str
) -> None:
    before = here.rows()

    for stream in (False, True):
        answer = here.post(stream=stream, **fields)

        error = error_of(answer)
        assert answer.status_code == 400
        assert error["param"] == param
        assert message in error["message"]
        assert error["type"] == "invalid_request_error"
    assert not here.dispatch.asked
    assert here.rows() == before


def test_options_of_a_stream_need_a_stream(here: Place) -> None:
    answer = here.post(stream_options={"include_obfuscation": False})

    assert (answer.status_code, error_of(answer)["param"]) == (400, "stream_options")
    assert here.post(stream=True, stream_options={}).status_code == 200


def test_a_call_is_taken_back_as_the_model_wrote_it(here: Place) -> None:
    for arguments in ("[1]", '{"city": "Par', "[" * 5000):
        call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}
        result = {"type": "function_call_output", "call_id": "c", "output": "Invalid JSON."}
        for status in ("completed", "incomplete"):
            here.answered(input=[{**call, "status": status}, result])
            called, told = here.dispatch.asked[-1].messages
            assert called.parts == (ToolCallPart("c", "f", arguments),)
            assert told.role == "tool"


def test_a_damaged_database_is_named_in_the_familys_shape(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        id = here.answered()["id"]
        with closing(sqlite3.connect(here.database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        here.database.write_bytes(b"\xff" * here.database.stat().st_size)

        for answer in (
            here.client.get(f"{RESPONSES}/{id}"),
            here.client.get(f"{RESPONSES}/{id}/input_items"),
            here.post(previous_response_id=id),
            here.post(previous_response_id=id, stream=True),
            here.post(
                input=[{"type": "item_reference", "id": f"msg_{id.removeprefix('resp_')}_0"}]
            ),
        ):
            error = error_of(answer)
            assert (answer.status_code, error["code"]) == (503, "store_unavailable")
            assert error["type"] == "server_error"
            assert "is damaged" in error["message"]
            assert error["hint"].startswith("Move it away: ")
            assert "retry-after" in answer.headers


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[]", "should be an object"),
        (b'{"model": "org/one"}', "`input` is required"),
        (b'{"model": "org/one", "input": "\\ud800"}', "not valid JSON"),
        (b'{"model": "org/one", "input": "\xff"}', "not UTF-8"),
        (b'{"model": "org/one", "input": "Hi", "temperature": NaN}', "not valid JSON"),
        (b'{"model": "org/one", "input": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too deeply"),
    ],
)
def test_a_body_that_is_wrong_as_a_whole_is_refused(
    here: Place, content: bytes, reason: str
) -> None:
    headers = {"content-type": "application/json"}

    for path in (RESPONSES, f"{RESPONSES}/input_tokens"):
        answer = here.client.post(path, content=content, headers=headers)

        assert answer.status_code == 400
        assert reason in error_of(answer)["message"]


def test_text_of_any_kind_comes_back_from_the_store_as_it_was(here: Place) -> None:
    text = '\0 \u2028 \U0001f30a "quoted" \\ {}'

    first = here.answered(input=text, metadata={"text": text})
    here.answered(input="Go on", previous_response_id=first["id"])

    assert here.dispatch.asked[-1].messages[0].text() == text
    assert here.client.get(f"{RESPONSES}/{first['id']}").json()["metadata"] == {"text": text}
