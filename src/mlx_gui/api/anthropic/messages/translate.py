"""Anthropic's requests → core, nothing else. The way back is in `answer.py`."""

import msgspec

from mlx_gui.api.anthropic.messages.known_tools import known_tool
from mlx_gui.api.anthropic.messages.turns import given, is_prefilled, messages_of
from mlx_gui.api.anthropic.messages.wire import (
    MessageCountRequest,
    MessageRequest,
    MessageThinking,
    MessageTool,
    MessageToolChoice,
)
from mlx_gui.api.json_schema import check_schema
from mlx_gui.api.pictures import Shown
from mlx_gui.api.schema_recursion import check_recursion
from mlx_gui.core.errors import InvalidRequest, NotFound
from mlx_gui.core.generation import (
    GenerateRequest,
    Grammar,
    Reasoning,
    Sampling,
    TokenizeRequest,
    Tool,
    ToolChoice,
)

MIN_THINKING_TOKENS = 1024
_UNSERVED = ("mcp_servers", "container", "context_management")


def to_core(body: MessageRequest, *, shown: Shown) -> GenerateRequest:
    """The canonical request; what is left out of it is noted.

    Raises InvalidRequest, CapabilityMissing for what the user shows and the model cannot take, and
    what `Shown.picture` raises.
    """
    return msgspec.structs.replace(
        _conversation(body, shown, max_tokens=body.max_tokens),
        sampling=Sampling(temperature=body.temperature, top_p=body.top_p, top_k=body.top_k),
        max_tokens=body.max_tokens,
        stop=tuple(body.stop_sequences or ()),
    )


def to_count(body: MessageCountRequest, *, shown: Shown) -> TokenizeRequest:
    """The question how many tokens the prompt of `body` has. Raises as `to_core` does."""
    conversation = _conversation(body, shown, max_tokens=None)
    return TokenizeRequest(conversation)


def _conversation(
    body: MessageCountRequest, shown: Shown, *, max_tokens: int | None
) -> GenerateRequest:
    """What both requests have; `max_tokens` bounds the thinking budget."""
    if body.thread is not None and body.thread.type == "continue":
        # Anthropic's clients know this code and send the whole conversation again.
        raise NotFound(
            "`thread` continues a conversation that this server did not keep.",
            hint="Send the whole conversation, without `thread`.",
            details={"error_code": "thread_not_found", "param": "thread"},
        )
    shown.notices.leave_out(name for name in _UNSERVED if getattr(body, name))
    tools, left_out = _tools(body.tools or [])
    shown.notices.leave_out(left_out)
    messages = messages_of(body, shown)
    grammar = _grammar(body)
    reasoning = _reasoning(body, max_tokens=max_tokens)
    prefilled = is_prefilled(body, messages)
    if prefilled and (grammar is not None or reasoning.enabled):
        raise InvalidRequest(
            "The last message begins the answer, which excludes `thinking` and a schema.",
            hint="End the messages with the user's, or leave the other out.",
            param="messages",
        )
    return GenerateRequest(
        messages=messages,
        tools=tools,
        tool_choice=_tool_choice(body.tool_choice, tools, left_out=left_out),
        grammar=grammar,
        reasoning=reasoning,
        continue_final=prefilled,
    )


def _tools(tools: list[MessageTool]) -> tuple[tuple[Tool, ...], list[str]]:
    """The tools that the model is told of, and the types of those that are left out."""
    found: list[Tool] = []
    left_out: list[str] = []
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        described = _tool(tool, where=where)
        if described is None:
            left_out.append(tool.type or "")
            continue
        if described.name in seen:
            raise InvalidRequest(
                f"Two of the `tools` have the name '{described.name}'.",
                hint="Give each a name of its own.",
                param=f"{where}.name",
            )
        seen.add(described.name)
        found.append(described)
    return tuple(found), left_out


def _tool(tool: MessageTool, *, where: str) -> Tool | None:
    """None for one that Anthropic's servers run."""
    if tool.input_schema is None and tool.type not in (None, "custom"):
        return known_tool(tool.type, tool.name or tool.type)
    name = given(tool.name, f"{where}.name")
    schema = given(tool.input_schema, f"{where}.input_schema")
    check_schema(schema, param=f"{where}.input_schema")
    if schema.get("type", "object") != "object":
        raise InvalidRequest(
            f"`{where}.input_schema` should be of the type object.",
            hint="Describe the tool's input as an object with properties.",
            param=f"{where}.input_schema",
        )
    return Tool(name, tool.description or "", schema, strict=tool.strict or False)


def _tool_choice(
    choice: MessageToolChoice | None, tools: tuple[Tool, ...], *, left_out: list[str]
) -> ToolChoice:
    if choice is None:
        return ToolChoice()
    parallel = not choice.disable_parallel_tool_use
    match choice.type:
        case "auto" | "none":
            return ToolChoice(choice.type, parallel=parallel)
        case "any" if tools:
            return ToolChoice("required", parallel=parallel)
        case "any":
            only = f" but {', '.join(left_out)[:200]}, which Anthropic runs" if left_out else ""
            raise InvalidRequest(
                f"`tool_choice` asks for a tool, but there are no `tools`{only}.",
                hint="Send tools that the client runs, or leave `tool_choice` out.",
                param="tool_choice",
            )
        case "tool":
            name = given(choice.name, "tool_choice.name")
            names = [tool.name for tool in tools]
            if name not in names:
                raise InvalidRequest(
                    f"`tool_choice.name` is '{name[:80]}', which none of the `tools` is called.",
                    hint=f"There is {', '.join(names[:10]) or 'no tool'}.",
                    param="tool_choice.name",
                )
            return ToolChoice("named", name, parallel)


def _grammar(body: MessageCountRequest) -> Grammar | None:
    asked = body.output_config.format if body.output_config else None
    wanted = asked or body.output_format
    if wanted is None:
        return None
    where = "output_config.format.schema" if asked else "output_format.schema"
    check_recursion(wanted.json_schema, param=where)
    return Grammar("json_schema", msgspec.json.encode(wanted.json_schema).decode())


def _reasoning(body: MessageCountRequest, *, max_tokens: int | None) -> Reasoning:
    """Who asks for no thinking gets none: many programs take the first block for the answer."""
    effort = body.output_config.effort if body.output_config else None
    match body.thinking:
        case None:
            return Reasoning(enabled=None if effort else False, effort=effort)
        case MessageThinking(type="disabled"):
            return Reasoning(enabled=False, effort=effort)
        case MessageThinking(type="enabled", budget_tokens=budget):
            return Reasoning(True, effort, _checked_budget(budget, max_tokens))
        case _:
            return Reasoning(effort=effort)


def _checked_budget(budget: int | None, max_tokens: int | None) -> int:
    budget = given(budget, "thinking.budget_tokens")
    if budget >= MIN_THINKING_TOKENS and (max_tokens is None or budget < max_tokens):
        return budget
    below = "" if max_tokens is None else f" and less than `max_tokens`, which is {max_tokens}"
    raise InvalidRequest(
        f"`thinking.budget_tokens` should be at least {MIN_THINKING_TOKENS}{below}, not {budget}.",
        hint="Raise `max_tokens`, or let the model decide by the type adaptive.",
        param="thinking.budget_tokens",
    )
