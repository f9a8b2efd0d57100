"""What `/v1/messages` makes of blocks, tools and fields that are not known here."""

import json
from typing import Any

import httpx
import pytest

from mlx_gui.api.anthropic.errors import error_body
from mlx_gui.api.notices import LEFT_OUT_HEADER
from mlx_gui.core.errors import ContextTooLong, from_info
from mlx_gui.core.generation import GenerateRequest, ToolResultPart
from tests.unit.api.parts import ScriptedDispatch

CALL = {"type": "tool_use", "id": "t", "name": "clock", "input": {}}
CLOCK = {"name": "clock", "input_schema": {"type": "object"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "s",
    "content": [
        {"type": "web_search_result", "title": "Milk", "url": "https://a.example",
         "encrypted_content": "gibberish", "page_age": None},
    ],
}  # fmt: skip
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
PDF = {"type": "document", "source": {"type": "base64", "data": "JVBERi0="}}

OTHERS: list[tuple[dict[str, object], str | None]] = [
    ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "m"}}, None),
    (FOUND, "[web_search_tool_result: Milk\nhttps://a.example]"),
    ({**FOUND, "content": {"type": "web_search_tool_result_error", "error_code": "x"}}, None),
    (
        {"type": "bash_code_execution_tool_result", "content": {"stdout": "42", "stderr": ""}},
        "[bash_code_execution_tool_result: 42]",
    ),
    ({"type": "mcp_tool_use", "id": "m", "name": "a", "server_name": "b", "input": {}}, None),
    (
        {"type": "mcp_tool_result", "is_error": "no", "content": [{"type": "text", "text": "9"}]},
        "[mcp_tool_result: 9]",
    ),
    ({"type": "compaction", "content": "We met."}, "[compaction: We met.]"),
    ({"type": "tool_addition", "tool": {"name": "a"}}, None),
    ({"type": "tool_removal", "tool_name": 5}, None),
    ({"type": "of_the_future", "text": {"a": 1}, "input": [1], "source": 5, "id": 5}, None),
    ({"type": "container_upload", "file_id": "f"}, "[There is a file here"),
]


def post(address: str, **fields: object) -> httpx.Response:
    hello = [{"role": "user", "content": "Hi"}]
    body = {"model": "org/one", "max_tokens": 2000, "messages": hello, **fields}
    return httpx.post(f"{address}/v1/messages?beta=true", json=body, trust_env=False)


def asked(address: str, dispatch: ScriptedDispatch, **fields: object) -> GenerateRequest:
    answer = post(address, **fields)
    assert answer.status_code == 200, answer.text
    return dispatch.asked[-1]


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
@pytest.mark.parametrize(("block", "text"), OTHERS, ids=lambda each: str(each)[:40])
def test_blocks_that_are_not_known_break_no_conversation(
    address: str,
    dispatch: ScriptedDispatch,
    block: dict[str, object],
    text: str | None,
    role: str,
) -> None:
    talk = [
        {"role": "user", "content": "Look"},
        {"role": role, "content": [block]},
        {"role": "assistant", "content": "Well."},
        {"role": "user", "content": "And now?"},
    ]

    answer = post(address, messages=talk)

    assert answer.status_code == 200, answer.text
    assert answer.headers[LEFT_OUT_HEADER] == block["type"]
    whole = "\n".join(message.text() for message in dispatch.asked[-1].messages)
    assert text is None or text in whole
    assert dispatch.asked[-1].messages[-1].text() == "And now?"


@pytest.mark.parametrize("block", [{"type": "tool_addition", "tool": {}}, FOUND])
def test_what_a_program_puts_into_the_newest_turn_is_no_obstacle(
    address: str, dispatch: ScriptedDispatch, block: dict[str, object]
) -> None:
    turn = {"role": "user", "content": [block, {"type": "text", "text": "Hi"}]}

    assert "Hi" in asked(address, dispatch, messages=[turn]).messages[0].text()


@pytest.mark.parametrize(
    "block", [{"type": "smell", "text": "a rose"}, {"type": "tool_addition", "tool": {}}]
)
def test_what_asks_for_the_answer_has_to_be_known(
    address: str, dispatch: ScriptedDispatch, block: dict[str, object]
) -> None:
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": [block]},
    ]

    answer = post(address, messages=talk)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["details"]["param"] == "messages[2].content[0].type"
    assert f'"{block["type"]}"' in error["message"]
    assert not dispatch.asked


def test_the_result_of_a_call_that_is_left_out_is_kept_as_text(
    address: str, dispatch: ScriptedDispatch
) -> None:
    talk = [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [{"type": "mcp_tool_use", "id": "m", "name": "a"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "m", "content": "9"}]},
    ]

    request = asked(address, dispatch, messages=talk)

    assert "[mcp_tool_use: 9]" in request.messages[-1].text()


@pytest.mark.parametrize(
    ("type_", "name", "properties", "required"),
    [
        ("bash_20250124", "bash", {"command", "restart"}, []),
        (
            "text_editor_20250728",
            "str_replace_based_edit_tool",
            {"command", "path", "old_str", "new_str"},
            ["command", "path"],
        ),
        ("memory_20250818", "memory", {"command", "old_path", "new_path"}, ["command"]),
        ("computer_20251124", "computer", {"action", "coordinate"}, ["action"]),
    ],
)
def test_a_tool_that_anthropic_describes_and_the_client_runs_is_a_function(
    address: str,
    dispatch: ScriptedDispatch,
    type_: str,
    name: str,
    properties: set[str],
    required: list[str],
) -> None:
    tool = {"type": type_, "name": name, "max_characters": 5, "display_width_px": 800}

    request = asked(address, dispatch, tools=[tool], tool_choice={"type": "tool", "name": name})

    (described,) = request.tools
    assert described.name == request.tool_choice.name == name
    assert properties <= set(described.parameters["properties"])
    assert described.parameters["required"] == required


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
        {"type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": True}},
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
        {"type": "mcp_toolset", "mcp_server_name": "a", "description": 5},
        {"type": "of_the_future", "name": "x"},
    ],
    ids=lambda tool: tool["type"],
)
def test_a_tool_that_anthropic_runs_is_left_out_and_named(
    address: str, dispatch: ScriptedDispatch, tool: dict[str, object]
) -> None:
    answer = post(address, tools=[tool, CLOCK])
    alone = post(address, tools=[tool], tool_choice={"type": "any"})

    assert answer.status_code == 200, answer.text
    assert answer.headers[LEFT_OUT_HEADER] == tool["type"]
    assert [each.name for each in dispatch.asked[-1].tools] == ["clock"]
    assert alone.status_code == 400
    assert alone.json()["error"]["details"]["param"] == "tool_choice"
    assert str(tool["type"]) in alone.json()["error"]["message"]


def test_fields_that_mean_nothing_here_are_left_out_and_named(
    address: str, dispatch: ScriptedDispatch
) -> None:
    answer = post(
        address,
        mcp_servers=[{"type": "url", "url": "https://a.example", "name": "a"}],
        container={"skills": [{"type": "anthropic", "skill_id": "pptx"}]},
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
        betas=["context-management-2025-06-27"],
        thinking={"type": "adaptive", "display": "summarized"},
        output_config={
            "effort": "high",
            "task_budget": {"type": "tokens", "total": 9},
            "format": {"type": "json_schema", "schema": {"type": "object"}},
        },
        cache_control={"type": "ephemeral", "ttl": "1h"},
        system=[
            {
                "type": "text",
                "text": "Be brief.",
                "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"},
            }
        ],
        metadata={"user_id": "somebody"},
        speed="fast",
    )

    assert answer.status_code == 200, answer.text
    assert answer.headers[LEFT_OUT_HEADER] == "mcp_servers, container, context_management"
    request = dispatch.asked[-1]
    assert request.reasoning.effort == "high"
    assert request.grammar is not None
    assert LEFT_OUT_HEADER not in post(address, mcp_servers=[], container=None).headers


@pytest.mark.parametrize("shown", [IMAGE, PDF])
def test_what_a_tool_has_read_is_replaced_by_a_text(
    address: str, dispatch: ScriptedDispatch, shown: dict[str, object]
) -> None:
    def told(*content: object) -> dict[str, object]:
        return {"type": "tool_result", "tool_use_id": "t", "content": list(content)}

    talk = [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [told({"type": "text", "text": "So: "}, shown), shown]},
    ]
    answer = post(address, messages=talk)
    later = [*talk, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "So?"}]

    assert answer.status_code == 200, answer.text
    assert answer.headers[LEFT_OUT_HEADER] == shown["type"]
    (part,) = dispatch.asked[-1].messages[2].parts
    assert isinstance(part, ToolResultPart)
    assert part.text.startswith("So: [There is a ")
    assert "[There is a " in dispatch.asked[-1].messages[3].text()
    assert asked(address, dispatch, messages=later).messages[:4] == dispatch.asked[0].messages


@pytest.mark.parametrize("shown", [IMAGE, PDF])
def test_what_the_user_shows_is_refused_until_it_is_history(
    address: str, dispatch: ScriptedDispatch, shown: dict[str, object]
) -> None:
    turn = {"role": "user", "content": [shown, {"type": "text", "text": "What is this?"}]}
    after = [{"role": "assistant", "content": "A cat."}, {"role": "user", "content": "Sure?"}]

    now = post(address, messages=[turn])
    prefilled = post(address, messages=[turn, {"role": "assistant", "content": "It is"}])
    two = post(address, messages=[turn, {"role": "user", "content": "Please."}])

    for answer in (now, prefilled, two):
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "capability_missing"
    assert not dispatch.asked
    request = asked(address, dispatch, messages=[turn, *after])
    assert request.messages[0].text().startswith("[There is a ")


def test_an_overflow_says_what_agents_look_for() -> None:
    details = {"prompt_tokens": 9000, "context_tokens": 8192}
    error = ContextTooLong("The prompt has 9000 tokens.", hint="Shorten it.", details=details)

    body: dict[str, Any] = json.loads(error_body(from_info(error.info()), "request-1"))

    assert body["error"]["message"] == "prompt is too long: 9000 tokens > 8192 maximum"
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["details"]["error_code"] == "context_length_exceeded"
