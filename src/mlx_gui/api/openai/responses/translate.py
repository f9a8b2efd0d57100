"""The JSON of `/v1/responses` → core and the beginning of the answer, nothing else."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mlx_gui.api.openai.responses.functions import (
    check_known,
    check_names,
    function,
    grammar,
    reasoning,
    tool_choice,
)
from mlx_gui.api.openai.responses.items import to_messages
from mlx_gui.api.openai.responses.wire.request import (
    Choice,
    InputFields,
    Item,
    ResponseRequest,
    ToolField,
)
from mlx_gui.api.openai.translate import sampling
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import (
    GenerateRequest,
    Grammar,
    Message,
    TextPart,
    Tool,
    ToolChoice,
)

LOGPROBS = "message.output_text.logprobs"
_TRUNCATE = {"auto": True, "disabled": False, None: None}


def to_core(
    body: ResponseRequest,
    earlier: Sequence[Item],
    own: Sequence[Item],
    *,
    tenant: str,
    priority: int = 0,
) -> GenerateRequest:
    """The canonical request. `earlier` items come before the request's `own`.

    Raises InvalidRequest, and CapabilityMissing for what is not text.
    """
    if body.background:
        raise InvalidRequest(
            "`background` should be false: every response is answered where it was asked for.",
            hint="Use `stream` for long answers.",
            param="background",
        )
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest(
            "`stream_options` is only allowed with `stream`.",
            hint="Set `stream` to true or leave `stream_options` out.",
            param="stream_options",
        )
    return msgspec.structs.replace(
        to_prompt(body, earlier, own, tenant=tenant),
        priority=priority if body.priority is None else body.priority,
        sampling=sampling(body),
        max_tokens=body.max_output_tokens,
        stop=tuple(body.stop or ()),
        grammar=_grammar(body),
        top_logprobs=_top_logprobs(body),
    )


def to_prompt(
    body: InputFields, earlier: Sequence[Item], own: Sequence[Item], *, tenant: str
) -> GenerateRequest:
    """The part of the canonical request that becomes tokens. Raises like `to_core`."""
    tools, choice = _tools(body)
    effort = body.reasoning.effort if body.reasoning else None
    return GenerateRequest(
        messages=_messages(body, earlier, own),
        tenant=tenant,
        tools=tools,
        tool_choice=choice,
        reasoning=reasoning(effort, enabled=body.enable_thinking, budget=body.thinking_budget),
        truncate=_TRUNCATE[body.truncation],
    )


def response_object(
    body: ResponseRequest, *, id: str, created_at: int, model: str, store: bool
) -> dict[str, Any]:
    """The response as it begins: what it was asked with, nothing written yet."""
    effort = body.reasoning.effort if body.reasoning else None
    return {
        "id": id,
        "object": "response",
        "created_at": created_at,
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": body.max_tool_calls,
        "metadata": body.metadata or {},
        "model": model,
        "output": list[Any](),
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "prompt_cache_key": body.prompt_cache_key,
        "reasoning": {"effort": effort, "summary": None},
        "safety_identifier": body.safety_identifier,
        "service_tier": "default",
        "store": store,
        "temperature": body.temperature,
        "text": _text_settings(body),
        "tool_choice": _choice_setting(body.tool_choice),
        "tools": [_tool_setting(tool) for tool in body.tools or ()],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": body.top_p,
        "truncation": body.truncation or "disabled",
        "usage": None,
        "user": body.user,
    }


def _messages(
    body: InputFields, earlier: Sequence[Item], own: Sequence[Item]
) -> tuple[Message, ...]:
    for name, given in (("conversation", body.conversation), ("prompt", body.prompt)):
        if given is not None:
            raise InvalidRequest(
                f"`{name}` is not served here.",
                hint="Send the whole of it as `input`, or continue a stored response by "
                "`previous_response_id`.",
                param=name,
            )
    messages = to_messages(earlier, own)
    if body.instructions:
        messages.insert(0, Message("system", (TextPart(body.instructions),)))
    return tuple(messages)


def _tools(body: InputFields) -> tuple[tuple[Tool, ...], ToolChoice]:
    tools = tuple(_tool(tool, f"tools[{n}]") for n, tool in enumerate(body.tools or ()))
    check_names(tools)
    choice = body.tool_choice
    mode, name = (choice.type, choice.name) if choice else ("auto", None)
    if choice is not None and choice.type == "allowed_tools":
        tools = _allowed(choice, tools)
        mode, name = choice.mode or "auto", None
    return tools, tool_choice(mode, name, tools, parallel=body.parallel_tool_calls)


def _tool(tool: ToolField, where: str) -> Tool:
    if tool.type != "function":
        raise InvalidRequest(
            f"`{where}` is of the type {tool.type[:40]!r}, which this server does not have.",
            hint="Only tools of the type function can be served; your program runs them.",
            param=f"{where}.type",
        )
    return function(tool.name, tool.description, tool.parameters, where=where)


def _allowed(choice: Choice, tools: Sequence[Tool]) -> tuple[Tool, ...]:
    """Those of `tools` that `choice` names: the model is not told of the others."""
    if not choice.tools:
        raise InvalidRequest("`tool_choice.tools` is required.", param="tool_choice.tools")
    for index, allowed in enumerate(choice.tools):
        check_known(allowed.name, tools, where=f"tool_choice.tools[{index}].name")
    names = {allowed.name for allowed in choice.tools}
    return tuple(tool for tool in tools if tool.name in names)


def _grammar(body: InputFields) -> Grammar | None:
    wanted = body.text.format if body.text else None
    return grammar(wanted.type, wanted.schema_, where="text.format") if wanted else None


def _top_logprobs(body: ResponseRequest) -> int | None:
    asked = LOGPROBS in (body.include or ()) or bool(body.top_logprobs)
    return (body.top_logprobs or 0) if asked else None


def _text_settings(body: ResponseRequest) -> dict[str, Any]:
    text = body.text
    wanted = (
        text.format.model_dump(by_alias=True, exclude_none=True) if text and text.format else {}
    )
    verbosity = text.verbosity if text else None
    return {
        "format": wanted or {"type": "text"},
        **({"verbosity": verbosity} if verbosity else {}),
    }


def _choice_setting(choice: Choice | None) -> str | dict[str, Any]:
    if choice is None:
        return "auto"
    if choice.type in ("auto", "none", "required"):
        return choice.type
    return choice.model_dump(exclude_none=True)


def _tool_setting(tool: ToolField) -> dict[str, Any]:
    return {
        "type": tool.type,
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": bool(tool.strict),
    }
