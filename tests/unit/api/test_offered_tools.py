"""Namespaces, custom tools and tools of OpenAI's own: what a model sees, what a client gets."""

import json
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from mlx_gui.api.notices import LEFT_OUT_HEADER
from mlx_gui.api.openai.chat.wire import ChatCompletionChunk
from mlx_gui.api.openai.custom import InputText, arguments_of, input_of
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Event,
    GenerateRequest,
    Message,
    Prepared,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from tests.unit.api.parts import Script, ScriptedDispatch

WAIT = {"type": "function", "name": "wait", "parameters": {"type": "object"}}
AGENTS = {
    "type": "namespace",
    "name": "agents",
    "description": "Other agents.",
    "tools": [WAIT, {"type": "function", "name": "spawn"}],
}
PATCH = {
    "type": "custom",
    "name": "patch",
    "description": "Changes files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "+" /.+/'},
}
HOSTED = [
    {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}},
    {"type": "web_search_preview_2025_03_11"},
    {"type": "file_search", "vector_store_ids": ["vs_1"]},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "image_generation", "output_format": "png"},
    {"type": "computer_use_preview", "display_width": 800},
    {"type": "mcp", "server_label": "a", "server_url": "https://a.example", "tools": "all"},
    {"type": "local_shell"},
    {"type": "shell", "environment": {"type": "local"}},
    {"type": "apply_patch"},
    {"type": "tool_search", "execution": "client", "parameters": "any", "description": {}},
    {"type": "crystal_ball", "name": 5, "format": "round"},
]


def post(address: str, **fields: object) -> httpx.Response:
    body = {"model": "org/one", "input": "Hi", "store": False, **fields}
    return httpx.post(f"{address}/v1/responses", json=body, trust_env=False)


def asked(address: str, dispatch: ScriptedDispatch, **fields: object) -> GenerateRequest:
    answer = post(address, **fields)
    assert answer.status_code == 200, answer.text
    return dispatch.asked[-1]


def calling(name: str, *arguments: str) -> Script:
    async def call(_: GenerateRequest) -> AsyncGenerator[Event]:
        yield Prepared(3)
        yield CallStarted(0, 0, "call_1", name)
        for piece in arguments:
            yield Delta(0, piece, "tool_call")
        yield Done(0, "tool_calls")
        yield Usage(3, 5)

    return call


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    theirs: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    for event in events:
        theirs.validate_python(event)
    return events


def called(address: str, dispatch: ScriptedDispatch, *, tools: list[object], name: str) -> Any:
    """The item of a call by the name that the model has, streamed and whole alike."""
    dispatch.script = calling(name, '{"a"', ": 1}")
    whole = post(address, tools=tools).json()
    events = events_of(post(address, tools=tools, stream=True))
    (item,) = whole["output"]
    items = [event["item"] for event in events if "item" in event]
    assert [{**each, "id": 0, "arguments": 0, "status": 0} for each in items] == [
        {**item, "id": 0, "arguments": 0, "status": 0}
    ] * 2
    Response.model_validate(whole)
    return item


def test_functions_of_a_namespace_are_shown_with_the_others(
    address: str, dispatch: ScriptedDispatch
) -> None:
    request = asked(address, dispatch, tools=[{**WAIT, "name": "add"}, AGENTS])

    assert [tool.name for tool in request.tools] == ["add", "wait", "spawn"]


def test_a_call_has_the_namespace_of_its_function(address: str, dispatch: ScriptedDispatch) -> None:
    tools: list[object] = [AGENTS, {**WAIT, "name": "add"}]

    inner = called(address, dispatch, tools=tools, name="spawn")
    outer = called(address, dispatch, tools=tools, name="add")
    unknown = called(address, dispatch, tools=tools, name="fly")

    assert (inner["name"], inner["namespace"]) == ("spawn", "agents")
    assert inner["arguments"] == '{"a": 1}'
    assert (outer["name"], unknown["name"]) == ("add", "fly")
    assert "namespace" not in outer
    assert "namespace" not in unknown


def test_two_functions_of_one_name_are_told_apart_by_their_namespaces(
    address: str, dispatch: ScriptedDispatch
) -> None:
    others = {**AGENTS, "name": "other.agents"}
    tools: list[object] = [AGENTS, others, WAIT]

    names = [tool.name for tool in asked(address, dispatch, tools=tools).tools]
    items = [called(address, dispatch, tools=tools, name=name) for name in names]

    assert names == [
        "agents__wait",
        "agents__spawn",
        "other_agents__wait",
        "other_agents__spawn",
        "wait",
    ]
    assert [(item.get("namespace"), item["name"]) for item in items] == [
        ("agents", "wait"),
        ("agents", "spawn"),
        ("other.agents", "wait"),
        ("other.agents", "spawn"),
        (None, "wait"),
    ]


def test_names_with_a_namespace_are_unique_short_and_always_the_same(
    address: str, dispatch: ScriptedDispatch
) -> None:
    long = "n" * 60
    tools = [
        {**AGENTS, "name": long + "a", "tools": [{**WAIT, "name": "x" * 64}, WAIT]},
        {**AGENTS, "name": long + "b", "tools": [{**WAIT, "name": "x" * 64}, WAIT]},
        {**AGENTS, "name": "a.b"},
        {**AGENTS, "name": "a-b"},
        {**AGENTS, "name": "a_b"},
        {**WAIT, "name": "a_b__wait"},
    ]

    names = [tool.name for tool in asked(address, dispatch, tools=tools).tools]

    assert len(set(names)) == len(names)
    assert all(len(name) <= 64 for name in names)
    assert names[-1] == "a_b__wait"
    assert [tool.name for tool in asked(address, dispatch, tools=tools).tools] == names


def test_an_earlier_call_is_shown_by_the_name_that_the_model_knows(
    address: str, dispatch: ScriptedDispatch
) -> None:
    call = {"type": "function_call", "name": "wait", "arguments": "{}"}
    talk = [
        {"role": "user", "content": "Hi"},
        {**call, "call_id": "1", "namespace": "agents"},
        {**call, "call_id": "2"},
        {**call, "call_id": "3", "namespace": "gone"},
        {"type": "function_call_output", "call_id": "1", "output": "Done."},
    ]

    request = asked(address, dispatch, input=talk, tools=[AGENTS, WAIT])

    calls = request.messages[1].parts
    assert [part.name for part in calls if isinstance(part, ToolCallPart)] == [
        "agents__wait",
        "wait",
        "wait",
    ]
    assert request.messages[2].parts == (ToolResultPart("1", "Done.", "agents__wait"),)


@pytest.mark.parametrize(
    ("choice", "names", "chosen"),
    [
        ({"type": "function", "name": "spawn"}, ["agents__wait", "spawn", "wait"], "spawn"),
        ({"type": "function", "name": "wait"}, ["agents__wait", "spawn", "wait"], "wait"),
        (
            {"type": "function", "name": "wait", "namespace": "agents"},
            ["agents__wait", "spawn", "wait"],
            "agents__wait",
        ),
        (
            {"type": "allowed_tools", "tools": [{"type": "namespace", "name": "agents"}]},
            ["agents__wait", "spawn"],
            None,
        ),
        (
            {
                "type": "allowed_tools",
                "tools": [{"type": "web_search"}, {"type": "function", "name": "spawn"}],
            },
            ["spawn"],
            None,
        ),
    ],
)
def test_a_choice_names_tools_as_the_client_knows_them(
    address: str,
    dispatch: ScriptedDispatch,
    choice: object,
    names: list[str],
    chosen: str | None,
) -> None:
    request = asked(address, dispatch, tools=[AGENTS, WAIT], tool_choice=choice)

    assert [tool.name for tool in request.tools] == names
    assert request.tool_choice.name == chosen


@pytest.mark.parametrize("tool", HOSTED, ids=lambda tool: tool["type"])
def test_a_tool_that_only_openai_has_is_left_out_and_named(
    address: str, dispatch: ScriptedDispatch, tool: dict[str, object]
) -> None:
    answer = post(address, tools=[tool, WAIT])

    assert answer.status_code == 200, answer.text
    assert [each.name for each in dispatch.asked[-1].tools] == ["wait"]
    assert answer.headers[LEFT_OUT_HEADER] == tool["type"]
    assert answer.json()["mlx_gui"] == {"left_out": [tool["type"]]}
    assert [each["type"] for each in answer.json()["tools"]] == ["function"]


@pytest.mark.parametrize("tool", HOSTED, ids=lambda tool: tool["type"])
def test_a_tool_that_only_openai_has_cannot_be_demanded(
    address: str, dispatch: ScriptedDispatch, tool: dict[str, object]
) -> None:
    for choice in ("required", {"type": tool["type"]}):
        answer = post(address, tools=[tool], tool_choice=choice)

        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "tool_choice"
        assert str(tool["type"]) in answer.json()["error"]["message"]
    assert not dispatch.asked


def test_a_custom_tool_is_a_function_of_one_text(address: str, dispatch: ScriptedDispatch) -> None:
    (tool,) = asked(address, dispatch, tools=[PATCH]).tools

    assert (tool.name, tool.description) == ("patch", "Changes files.")
    assert tool.parameters["required"] == ["input"]
    assert 'start: "+" /.+/' in tool.parameters["properties"]["input"]["description"]


def test_a_call_of_a_custom_tool_has_its_text(address: str, dispatch: ScriptedDispatch) -> None:
    dispatch.script = calling("patch", '{"inp', 'ut": "+ \\u00e4\\', "n", '\\ud83d\\ude00"}')
    tools = [{**AGENTS, "tools": [PATCH]}]

    (item,) = post(address, tools=tools).json()["output"]
    events = events_of(post(address, tools=tools, stream=True))

    assert {key: item[key] for key in ("type", "name", "namespace", "input", "call_id")} == {
        "type": "custom_tool_call",
        "name": "patch",
        "namespace": "agents",
        "input": "+ ä\n\U0001f600",
        "call_id": "call_1",
    }
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        *["custom_tool_call_input.delta"] * 3,
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    assert "".join(event.get("delta", "") for event in events) == item["input"]
    assert events[-3]["input"] == item["input"]
    assert events[-2]["item"] == {**item, "id": events[-2]["item"]["id"]}


def test_a_call_of_a_custom_tool_is_taken_back(address: str, dispatch: ScriptedDispatch) -> None:
    call = {"type": "custom_tool_call", "call_id": "1", "name": "patch", "input": '+ "a"'}
    result = {"type": "custom_tool_call_output", "call_id": "1", "output": "Done."}

    request = asked(address, dispatch, input=[call, result], tools=[PATCH])

    assert request.messages == (
        Message("assistant", (ToolCallPart("1", "patch", '{"input":"+ \\"a\\""}'),)),
        Message("tool", (ToolResultPart("1", "Done.", "patch"),)),
    )


OTHERS: list[tuple[dict[str, object], str | None]] = [
    ({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}}, None),
    ({"type": "file_search_call", "queries": ["a"], "results": None}, None),
    ({"type": "image_generation_call", "result": "aGk="}, None),
    ({"type": "computer_call", "call_id": "c", "action": {"type": "click"}}, None),
    ({"type": "code_interpreter_call", "code": "1", "outputs": [], "status": "odd"}, None),
    ({"type": "tool_search_output", "call_id": "c", "tools": [WAIT]}, None),
    ({"type": "compaction", "encrypted_content": "gibberish"}, None),
    ({"type": "mcp_call", "name": "a", "arguments": "{}", "output": "42"}, "[mcp_call: 42]"),
    (
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a"}], "role": 5},
        None,
    ),
    ({"type": "apply_patch_call_output", "call_id": "c", "output": "Done."}, "Done."),
    ({"type": "a_thought", "content": [{"type": "text", "text": "Hm."}]}, "[a_thought: Hm.]"),
    ({"type": "of_the_future", "name": 5, "output": {"a": 1}, "other": 1, "summary": "x"}, None),
]


@pytest.mark.parametrize(("item", "text"), OTHERS, ids=lambda each: str(each)[:40])
def test_items_of_tools_that_are_not_here_break_no_conversation(
    address: str, dispatch: ScriptedDispatch, item: dict[str, object], text: str | None
) -> None:
    answer = post(
        address,
        input=[
            {"role": "user", "content": "Look"},
            item,
            {"role": "assistant", "content": "Well."},
            {"role": "user", "content": "And now?"},
        ],
    )

    assert answer.status_code == 200, answer.text
    said = [message.text() for message in dispatch.asked[-1].messages]
    kept = [line for line in said if line not in ("Look", "Well.", "And now?")]
    assert len(kept) == (text is not None)
    assert text is None or text in kept[0]
    assert answer.json()["mlx_gui"] == {"left_out": [item["type"]]}
    assert answer.headers[LEFT_OUT_HEADER] == item["type"]


def test_the_result_of_a_call_that_is_left_out_is_kept_as_text(
    address: str, dispatch: ScriptedDispatch
) -> None:
    talk = [
        {"role": "user", "content": "List"},
        {"type": "local_shell_call", "call_id": "1", "action": {"command": ["ls"]}},
        {"type": "function_call_output", "call_id": "1", "output": "a.txt"},
        {"role": "user", "content": "And now?"},
    ]

    request = asked(address, dispatch, input=talk)

    assert request.messages[1] == Message("assistant", (TextPart("[local_shell_call: a.txt]"),))


@pytest.mark.parametrize("item", [item for item, _ in OTHERS], ids=lambda item: item["type"])
def test_items_of_tools_that_are_not_here_are_nothing_to_answer(
    address: str, dispatch: ScriptedDispatch, item: dict[str, object]
) -> None:
    answer = post(address, input=[item])

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "input[0].type"
    assert not dispatch.asked


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([{**AGENTS, "tools": [AGENTS]}], "tools[0].tools[0].type"),
        ([{**AGENTS, "name": None}], "tools[0].name"),
        ([{**AGENTS, "tools": [WAIT, WAIT]}], "tools[0].tools[1]"),
        ([AGENTS, AGENTS], "tools[1].tools[0]"),
        ([{**AGENTS, "tools": "all"}], "tools[0].tools"),
        ([{**AGENTS, "tools": [{"type": "function", "name": "a b"}]}], "tools[0].tools[0].name"),
        ([{**WAIT, "name": f"f{n}"} for n in range(2000)], "tools"),
        ([{**AGENTS, "tools": [{**WAIT, "name": f"f{n}"} for n in range(2000)]}], "tools[0].tools"),
        (
            [
                {**AGENTS, "name": f"n{n}", "tools": [{**WAIT, "name": f"f{m}"} for m in range(99)]}
                for n in range(20)
            ],
            "tools",
        ),
        ([{"type": "custom"}], "tools[0].name"),
        (
            [{**PATCH, "format": {"type": "grammar", "syntax": "lark"}}],
            "tools[0].format.definition",
        ),
        ([{**PATCH, "format": {"type": "grammar", "definition": "a"}}], "tools[0].format.syntax"),
        ([{**PATCH, "format": {"type": "grammar", "syntax": "bnf"}}], "tools[0].format.syntax"),
        ([{**PATCH, "format": "text"}], "tools[0].format"),
        ([{**WAIT, "name": "patch"}, PATCH], "tools[1]"),
    ],
)
def test_tools_that_cannot_be_are_refused_by_their_place(
    address: str, dispatch: ScriptedDispatch, tools: list[object], param: str
) -> None:
    answer = post(address, tools=tools)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert not dispatch.asked


def test_a_choice_between_two_namespaces_is_asked_for(
    address: str, dispatch: ScriptedDispatch
) -> None:
    tools = [AGENTS, {**AGENTS, "name": "others"}]

    answer = post(address, tools=tools, tool_choice={"type": "function", "name": "wait"})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "tool_choice.name"
    assert "several namespaces" in answer.json()["error"]["message"]


CHAT_PATCH = {
    "type": "custom",
    "custom": {
        "name": "patch",
        "description": "Changes files.",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "+"'}},
    },
}


def chat(address: str, **fields: object) -> httpx.Response:
    body = {"model": "org/one", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return httpx.post(f"{address}/v1/chat/completions", json=body, trust_env=False)


def test_a_chat_calls_a_custom_tool_with_its_text(address: str, dispatch: ScriptedDispatch) -> None:
    dispatch.script = calling("patch", '{"inp', 'ut": "+ \\u00e4\\', "n", '\\ud83d\\ude00"}')

    whole = ChatCompletion.model_validate(chat(address, tools=[CHAT_PATCH]).json())
    lines = chat(address, tools=[CHAT_PATCH], stream=True).text.splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    (call,) = whole.choices[0].message.tool_calls or ()
    assert call.type == "custom"
    assert (call.id, call.custom.name, call.custom.input) == ("call_1", "patch", "+ ä\n\U0001f600")
    deltas = [chunk["choices"][0]["delta"].get("tool_calls") for chunk in chunks]
    first, *pieces = [delta[0] for delta in deltas if delta]
    assert first == {
        "index": 0,
        "id": "call_1",
        "type": "custom",
        "custom": {"name": "patch", "input": ""},
    }
    assert "".join(piece["custom"]["input"] for piece in pieces) == call.custom.input
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)


def test_the_rest_of_a_text_in_a_chat_comes_before_its_end(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = calling("patch", "no ", "JSON")

    text = chat(address, tools=[CHAT_PATCH], stream=True).text

    assert text.index('"input":"no JSON"') < text.index('"finish_reason":"tool_calls"')


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "custom", "custom": {"name": "patch"}},
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "custom", "custom": {"name": "patch"}}],
            },
        },
    ],
)
def test_a_custom_tool_of_a_chat_is_demanded_and_taken_back(
    address: str, dispatch: ScriptedDispatch, choice: object
) -> None:
    talk = [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "c", "type": "custom", "custom": {"name": "patch", "input": '"a"'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "Done."},
    ]

    answer = chat(address, messages=talk, tools=[CHAT_PATCH], tool_choice=choice)

    assert answer.status_code == 200, answer.text
    request = dispatch.asked[-1]
    assert request.tool_choice.mode in ("named", "required")
    assert [tool.name for tool in request.tools] == ["patch"]
    assert request.messages[1].parts == (ToolCallPart("c", "patch", '{"input":"\\"a\\""}'),)
    assert request.messages[2].parts == (ToolResultPart("c", "Done.", "patch"),)


@given(text=st.text(), cuts=st.lists(st.integers(0, 60), max_size=5), ascii_only=st.booleans())
def test_the_text_of_a_call_is_unwrapped_wherever_its_arguments_are_cut(
    text: str, cuts: list[int], ascii_only: bool
) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    places = sorted({0, len(arguments), *(min(cut, len(arguments)) for cut in cuts)})
    unwrapped = InputText()

    pieces = [unwrapped.feed(arguments[a:b]) for a, b in pairwise(places)]

    assert "".join(pieces) + unwrapped.finish() == text
    assert input_of(arguments_of(text)) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input": "cut o', "cut o"),
        ('{"input": "half \\ud83d', "half \ufffd"),
        ('{"input": "half \\ud83d and"}', "half \ufffd and"),
        ('{"input": "\\d+"}', "\\d+"),
        ('{"input": "a", "more": 1}', "a"),
        ('{"more": 1, "input": "a"}', "a"),
        ('{"patch": "a"}', "a"),
        ('"a"', "a"),
        ('{"input": 5}', '{"input": 5}'),
        ("no JSON", "no JSON"),
        ("", ""),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_arguments_of_another_shape_still_become_text(arguments: str, text: str) -> None:
    assert input_of(arguments) == text
