"""The JSON of `/v1/responses` → core and the beginning of the answer, nothing else."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mlx_gui.api.openai.responses.choice import tools_and_choice
from mlx_gui.api.openai.responses.functions import grammar, reasoning
from mlx_gui.api.openai.responses.items import to_messages
from mlx_gui.api.openai.responses.offered import Offered
from mlx_gui.api.openai.responses.wire.request import (
    TOOL_TYPES,
    Choice,
    InnerTool,
    InputFields,
    Item,
    ResponseRequest,
    ToolField,
)
from mlx_gui.api.openai.translate import sampling
from mlx_gui.api.pictures import Shown
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import (
    GenerateRequest,
    Grammar,
    Message,
    TextPart,
)

LOGPROBS = "message.output_text.logprobs"
_TRUNCATE = {"auto": True, "disabled": False, None: None}


def to_core(
    body: ResponseRequest,
    earlier: Sequence[Item],
    own: Sequence[Item],
    *,
    offered: Offered,
    shown: Shown,
) -> GenerateRequest:
    """The canonical request. `earlier` items come before the request's `own`.

    Raises InvalidRequest, CapabilityMissing for what the user shows and the model cannot take, and
    what `Shown.picture` raises.
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
        to_prompt(body, earlier, own, offered=offered, shown=shown),
        sampling=sampling(body),
        max_tokens=body.max_output_tokens,
        stop=tuple(body.stop or ()),
        grammar=_grammar(body),
        top_logprobs=_top_logprobs(body),
    )


def to_prompt(
    body: InputFields,
    earlier: Sequence[Item],
    own: Sequence[Item],
    *,
    offered: Offered,
    shown: Shown,
) -> GenerateRequest:
    """The part of the canonical request that becomes tokens. Raises like `to_core`."""
    tools, choice = tools_and_choice(offered, body.tool_choice, parallel=body.parallel_tool_calls)
    effort = body.reasoning.effort if body.reasoning else None
    _check_unserved(body)
    messages = to_messages(earlier, own, offered=offered, shown=shown)
    if body.instructions:
        messages.insert(0, Message("system", (TextPart(body.instructions),)))
    return GenerateRequest(
        messages=tuple(messages),
        tools=tools,
        tool_choice=choice,
        reasoning=reasoning(effort, enabled=body.enable_thinking, budget=body.thinking_budget),
        truncate=_TRUNCATE[body.truncation],
    )


def response_object(
    body: ResponseRequest,
    *,
    id: str,
    created_at: int,
    model: str,
    store: bool,
    left_out: Sequence[str],
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
        "tools": [_tool_setting(tool) for tool in body.tools or () if tool.type in TOOL_TYPES],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": body.top_p,
        "truncation": body.truncation or "disabled",
        "usage": None,
        "user": body.user,
        "mlx_gui": {"left_out": list(left_out)},
    }


def _check_unserved(body: InputFields) -> None:
    for name, given in (("conversation", body.conversation), ("prompt", body.prompt)):
        if given is not None:
            raise InvalidRequest(
                f"`{name}` is not served here.",
                hint="Send the whole of it as `input`, or continue a stored response by "
                "`previous_response_id`.",
                param=name,
            )


def _grammar(body: InputFields) -> Grammar | None:
    wanted = body.text.format if body.text else None
    if wanted is None:
        return None
    strict = wanted.strict or False
    return grammar(wanted.type, wanted.schema_, strict=strict, where="text.format")


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


def _tool_setting(tool: InnerTool) -> dict[str, Any]:
    if isinstance(tool, ToolField) and tool.type == "namespace":
        inner = [_tool_setting(each) for each in tool.tools or () if each.type in TOOL_TYPES]
        return {
            "type": tool.type,
            "name": tool.name,
            "description": tool.description,
            "tools": inner,
        }
    if tool.type == "custom":
        form = tool.format.model_dump(exclude_none=True) if tool.format else {"type": "text"}
        return {
            "type": tool.type,
            "name": tool.name,
            "description": tool.description,
            "format": form,
        }
    return {
        "type": tool.type,
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": bool(tool.strict),
    }
