"""The requests of a coding agent of the Responses API, in its default settings, at a real model.

They are written after what Codex sends: its own tools, a namespace of tools for other agents, a
web search that only OpenAI has, system text as a developer's messages, and fields that mean
nothing here.
"""

import json
from typing import Any

import httpx
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.support.server import Server

MODEL = "tiny/Qwen3-tiny-trained"
DEADLINE_S = 120


def function(name: str, **properties: str) -> dict[str, object]:
    """A function all of whose arguments are required."""
    schema = {name: {"type": kind} for name, kind in properties.items()}
    return {
        "type": "function",
        "name": name,
        "description": f"What {name} does, in a sentence of its own.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": schema,
            "required": list(properties),
            "additionalProperties": False,
        },
    }


TOOLS = [
    function("exec_command", cmd="string", workdir="string", yield_time_ms="number"),
    function("write_stdin", session_id="number", chars="string"),
    function("view_image", path="string"),
    {
        "type": "namespace",
        "name": "multi_agent_v1",
        "description": "Work that is given to other agents.",
        "tools": [
            function("spawn_agent", message="string"),
            function("send_input", id="string", message="string"),
            function("resume_agent", id="string"),
            function("wait_agent", ids="string", timeout_ms="number"),
            function("close_agent", id="string"),
        ],
    },
    {
        "type": "web_search",
        "external_web_access": True,
        "search_content_types": ["text", "image"],
    },
]
BEGINNING: list[dict[str, object]] = [
    {
        "type": "message",
        "role": "developer",
        "content": [
            {"type": "input_text", "text": "You may change files in the folder only."},
            {"type": "input_text", "text": "Ask before you do what cannot be undone."},
        ],
    },
    {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "<context>The shell is bash.</context>"}],
    },
    {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "What is the weather in Paris?"}],
    },
]


def asked(server: Server, talk: list[dict[str, object]]) -> tuple[httpx.Headers, dict[str, Any]]:
    """The headers of an answer, and the response that its stream ends with."""
    body = {
        "model": MODEL,
        "input": talk,
        "tools": TOOLS,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "none", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0199f0de-0000-7000-8000-000000000000",
        "client_metadata": {"x-codex-installation-id": "0199f0de"},
        "safety_identifier": "somebody",
        "truncation": "disabled",
        "service_tier": "auto",
        "text": {"verbosity": "low"},
        "max_output_tokens": 40,
        "temperature": 0,
    }
    headers = {"accept": "text/event-stream", "session_id": "0199f0de", "originator": "codex_exec"}
    theirs: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    url = f"{server.address}/v1/responses"
    with httpx.Client(timeout=DEADLINE_S, trust_env=False) as client:
        answer = client.post(url, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    for event in events:
        theirs.validate_python(event)
    assert events[-1]["type"] in ("response.completed", "response.incomplete")
    return answer.headers, events[-1]["response"]


def test_its_second_turn_finds_its_first_prompt_in_the_cache(real: Server) -> None:
    call = {"type": "function_call", "call_id": "call_1"}
    turn: list[dict[str, object]] = [
        {**call, "name": "exec_command", "arguments": '{"cmd": "ls"}'},
        {**call, "call_id": "call_2", "name": "wait_agent", "namespace": "multi_agent_v1",
         "arguments": '{"ids": "a", "timeout_ms": 1}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "a.txt"},
        {"type": "function_call_output", "call_id": "call_2", "output": "Done."},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}},
    ]  # fmt: skip

    headers, first = asked(real, BEGINNING)
    _, second = asked(real, [*BEGINNING, *turn])

    assert headers["x-mlx-gui-left-out"] == "web_search"
    assert first["mlx_gui"] == {"left_out": ["web_search"]}
    assert second["mlx_gui"] == {"left_out": ["web_search", "web_search_call"]}
    # All but the few tokens that open the answer, which differ.
    prompt_tokens = first["usage"]["input_tokens"]
    cached_tokens = second["usage"]["input_tokens_details"]["cached_tokens"]
    assert prompt_tokens - 16 <= cached_tokens <= prompt_tokens
