"""Anthropic's messages → core, nothing else. The way back is in `answer.py`."""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from mlx_gui.api.anthropic.messages.wire import (
    MessageBlock,
    MessageCountRequest,
    MessageRequest,
    MessageSource,
    MessageThinking,
    MessageTool,
    MessageToolChoice,
    MessageTurn,
)
from mlx_gui.core.errors import CapabilityMissing, InvalidRequest, NotFound
from mlx_gui.core.generation import (
    GenerateRequest,
    Grammar,
    Message,
    Part,
    Reasoning,
    ReasoningPart,
    Role,
    Sampling,
    TextPart,
    TokenizeRequest,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)

MIN_THINKING_TOKENS = 1024
_AUTHORS = {
    "tool_use": "assistant",
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "tool_result": "user",
}
_BLANK_LINE = TextPart("\n\n")
# Claude Code begins its system prompt with this line, which differs from request to request: left
# there, no request would find the prompt of another one in the cache.
_BILLING_LINE = re.compile(r"x-anthropic-billing-header:[^\n]*\n?")

T = TypeVar("T")


def to_core(body: MessageRequest, *, tenant: str) -> GenerateRequest:
    """The canonical request. Raises InvalidRequest, and CapabilityMissing for what is not text."""
    return msgspec.structs.replace(
        _conversation(body, max_tokens=body.max_tokens),
        sampling=Sampling(temperature=body.temperature, top_p=body.top_p, top_k=body.top_k),
        max_tokens=body.max_tokens,
        stop=tuple(body.stop_sequences or ()),
        tenant=tenant,
    )


def to_count(body: MessageCountRequest, *, tenant: str) -> TokenizeRequest:
    """The question how many tokens the prompt of `body` has. Raises as `to_core` does."""
    conversation = _conversation(body, max_tokens=None)
    return TokenizeRequest(msgspec.structs.replace(conversation, tenant=tenant))


def _conversation(body: MessageCountRequest, *, max_tokens: int | None) -> GenerateRequest:
    """What both requests have; `max_tokens` bounds the thinking budget."""
    if body.thread is not None and body.thread.type == "continue":
        # Anthropic's clients know this code and send the whole conversation again.
        raise NotFound(
            "`thread` continues a conversation that this server did not keep.",
            hint="Send the whole conversation, without `thread`.",
            details={"error_code": "thread_not_found", "param": "thread"},
        )
    if body.mcp_servers:
        raise InvalidRequest(
            "`mcp_servers` names servers whose tools should be run here; no tools are run here.",
            hint="Connect to them in the client and send their tools as `tools`.",
            param="mcp_servers",
        )
    tools = _tools(body.tools or [])
    messages = _messages(body)
    grammar = _grammar(body)
    reasoning = _reasoning(body, max_tokens=max_tokens)
    prefilled = _is_prefilled(body, messages)
    if prefilled and (grammar is not None or reasoning.enabled):
        raise InvalidRequest(
            "The last message begins the answer, which excludes `thinking` and a schema.",
            hint="End the messages with the user's, or leave the other out.",
            param="messages",
        )
    return GenerateRequest(
        messages=messages,
        tools=tools,
        tool_choice=_tool_choice(body.tool_choice, tools),
        grammar=grammar,
        reasoning=reasoning,
        continue_final=prefilled,
    )


def _messages(body: MessageCountRequest) -> tuple[Message, ...]:
    messages: list[Message] = []
    system = [_without_billing(part) for part in _texts(body.system or [], where="system")]
    _append(messages, "system", [part for part in system if part.text])
    tool_names: dict[str, str] = {}
    for index, turn in enumerate(body.messages):
        where = f"messages[{index}]"
        last = index == len(body.messages) - 1
        if not (last and turn.role == "assistant") and _is_empty(turn):
            raise InvalidRequest(
                f"`{where}.content` is empty.",
                hint="Only the last message may be, if it is the assistant's.",
                param=f"{where}.content",
            )
        _append_turn(messages, turn, tool_names, where=where)
    if not messages:
        raise InvalidRequest(
            "The `messages` say nothing.", hint="Send what the user says.", param="messages"
        )
    return tuple(messages)


def _append_turn(
    messages: list[Message], turn: MessageTurn, tool_names: dict[str, str], *, where: str
) -> None:
    """Add a turn; each tool's result is a message. `tool_names` has those called, by call id."""
    role = _role(turn, messages)
    parts: list[Part] = []
    for index, block in enumerate(turn.content):
        part = _part(block, turn.role, tool_names, where=f"{where}.content[{index}]")
        if isinstance(part, ToolResultPart):
            _append(messages, role, parts)
            messages.append(Message("tool", (part,)))
            parts = []
        elif part is not None:
            parts.append(part)
    _append(messages, role, parts)


def _append(messages: list[Message], role: Role, parts: Iterable[Part]) -> None:
    """Add a message, or go on with the last one if it is of the same role.

    What the assistant said in two messages was one text; others begin a new paragraph.
    """
    added = tuple(parts)
    if not added:
        return
    if not messages or messages[-1].role != role:
        messages.append(Message(role, added))
        return
    before = messages[-1].parts
    texts = isinstance(before[-1], TextPart) and isinstance(added[0], TextPart)
    gap = (_BLANK_LINE,) if texts and role != "assistant" else ()
    messages[-1] = Message(role, (*before, *gap, *added))


def _role(turn: MessageTurn, messages: list[Message]) -> Role:
    """Many templates know a system's message only at the beginning; later ones are the user's."""
    if turn.role == "system" and any(message.role != "system" for message in messages):
        return "user"
    return turn.role


def _is_empty(turn: MessageTurn) -> bool:
    return not any(block.type != "text" or block.text != "" for block in turn.content)


def _is_prefilled(body: MessageCountRequest, messages: tuple[Message, ...]) -> bool:
    """Whether the assistant's last message begins the answer. Raises where it cannot."""
    if body.messages[-1].role != "assistant" or messages[-1].role != "assistant":
        return False
    where = f"messages[{len(body.messages) - 1}]"
    last = messages[-1].parts[-1]
    if not isinstance(last, TextPart):
        raise InvalidRequest(
            f"`{where}` ends the conversation, but not by text that could be continued.",
            hint="Send the results of the tools that it calls, or the user's next message.",
            param=where,
        )
    if last.text != last.text.rstrip():
        raise InvalidRequest(
            f"`{where}` begins the answer and must not end in whitespace.",
            hint="Leave the whitespace at its end out; the model writes it itself.",
            param=where,
        )
    return True


def _part(block: MessageBlock, role: str, tool_names: dict[str, str], *, where: str) -> Part | None:
    """None for what says nothing to a model."""
    author = _AUTHORS.get(block.type, role)
    if author != role:
        raise InvalidRequest(
            f"`{where}` is a {block.type}, but the message is not the {author}'s.",
            hint=f"Blocks of this type belong to messages of the role {author}.",
            param=where,
        )
    match block.type:
        case "thinking":
            thought = _given(block.thinking, f"{where}.thinking")
            return ReasoningPart(thought) if thought else None
        case "redacted_thinking":
            return None
        case "tool_use":
            return _tool_call(block, tool_names, where=where)
        case "tool_result":
            return _tool_result(block, tool_names, where=where)
        case _:
            text = _text(block, where=where)
            return TextPart(text) if text else None


def _tool_call(block: MessageBlock, tool_names: dict[str, str], *, where: str) -> ToolCallPart:
    id = _given(block.id, f"{where}.id")
    name = _given(block.name, f"{where}.name")
    tool_names[id] = name
    arguments = _given(block.input, f"{where}.input")
    return ToolCallPart(id, name, msgspec.json.encode(arguments).decode())


def _tool_result(block: MessageBlock, tool_names: dict[str, str], *, where: str) -> ToolResultPart:
    id = _given(block.tool_use_id, f"{where}.tool_use_id")
    if id not in tool_names:
        raise InvalidRequest(
            f"`{where}.tool_use_id` is '{id[:80]}', but no tool_use before it has this id.",
            hint="Send the assistant's message with the call before its result.",
            param=f"{where}.tool_use_id",
        )
    text = "".join(part.text for part in _texts(block.content or [], where=f"{where}.content"))
    return ToolResultPart(id, f"Error: {text}" if block.is_error else text, tool_names[id])


def _texts(blocks: list[MessageBlock], *, where: str) -> Iterator[TextPart]:
    for index, block in enumerate(blocks):
        yield TextPart(_text(block, where=f"{where}[{index}]"))


def _text(block: MessageBlock, *, where: str) -> str:
    """What a block says in words. Raises CapabilityMissing for pictures and the like."""
    match block.type:
        case "text":
            return _given(block.text, f"{where}.text")
        case "tool_reference":
            return _given(block.tool_name, f"{where}.tool_name")
        case "document":
            source = _given(block.source, f"{where}.source")
            body = _document(source, where=f"{where}.source")
            return _paragraphs(block.title, block.context, body)
        case "search_result":
            source = _given(block.source, f"{where}.source")
            found = _given(block.content, f"{where}.content")
            texts = (part.text for part in _texts(found, where=f"{where}.content"))
            return _paragraphs(block.title, source.data, *texts)
        case "image":
            raise _no_eyes("a picture", where)
        case _:
            raise InvalidRequest(
                f"`{where}` is a {block.type}, where only text can be.",
                hint="Text comes in blocks of the types text, document and search_result.",
                param=where,
            )


def _document(source: MessageSource, *, where: str) -> str:
    match source.type:
        case "text":
            return _given(source.data, f"{where}.data")
        case "content":
            blocks = _given(source.content, f"{where}.content")
            return _paragraphs(*(part.text for part in _texts(blocks, where=f"{where}.content")))
        case other:
            raise _no_eyes(f"a document of the type {other[:40]}", where)


def _no_eyes(what: str, where: str) -> CapabilityMissing:
    return CapabilityMissing(
        f"This model reads text only, but `{where}` is {what}.",
        hint="Send what it says as text, or ask a model that takes pictures and files.",
        details={"param": where},
    )


def _paragraphs(*texts: str | None) -> str:
    return "\n\n".join(text for text in texts if text)


def _without_billing(part: TextPart) -> TextPart:
    line = _BILLING_LINE.match(part.text)
    return TextPart(part.text[line.end() :]) if line else part


def _given(value: T | None, where: str) -> T:
    if value is None:
        raise InvalidRequest(
            f"`{where}` is required.", hint="/docs describes the fields of a block.", param=where
        )
    return value


def _tools(tools: list[MessageTool]) -> tuple[Tool, ...]:
    names = [tool.name for tool in tools]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidRequest(
                f"Two of the `tools` have the name '{name}'.",
                hint="Give each a name of its own.",
                param=f"tools[{index}].name",
            )
    return tuple(_tool(tool, where=f"tools[{index}]") for index, tool in enumerate(tools))


def _tool(tool: MessageTool, *, where: str) -> Tool:
    if tool.input_schema is None and tool.type not in (None, "custom"):
        raise InvalidRequest(
            f"`{where}` is of the type {tool.type[:40]}, which Anthropic itself runs or describes.",
            hint="Describe it by an `input_schema` and run it in the client, or leave it out.",
            param=f"{where}.type",
        )
    schema = _given(tool.input_schema, f"{where}.input_schema")
    if schema.get("type", "object") != "object":
        raise InvalidRequest(
            f"`{where}.input_schema` should be of the type object.",
            hint="Describe the tool's input as an object with properties.",
            param=f"{where}.input_schema",
        )
    return Tool(tool.name, tool.description or "", schema)


def _tool_choice(choice: MessageToolChoice | None, tools: tuple[Tool, ...]) -> ToolChoice:
    if choice is None:
        return ToolChoice()
    parallel = not choice.disable_parallel_tool_use
    match choice.type:
        case "auto" | "none":
            return ToolChoice(choice.type, parallel=parallel)
        case "any" if tools:
            return ToolChoice("required", parallel=parallel)
        case "any":
            raise InvalidRequest(
                "`tool_choice` asks for a tool, but there are no `tools`.",
                hint="Send tools or leave `tool_choice` out.",
                param="tool_choice",
            )
        case "tool":
            name = _given(choice.name, "tool_choice.name")
            names = [tool.name for tool in tools]
            if name not in names:
                raise InvalidRequest(
                    f"`tool_choice.name` is '{name[:80]}', which none of the `tools` is called.",
                    hint=f"There is {', '.join(names[:10]) or 'no tool'}.",
                    param="tool_choice.name",
                )
            return ToolChoice("named", name, parallel)


def _grammar(body: MessageCountRequest) -> Grammar | None:
    wanted = (body.output_config and body.output_config.format) or body.output_format
    if wanted is None:
        return None
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
    budget = _given(budget, "thinking.budget_tokens")
    if budget >= MIN_THINKING_TOKENS and (max_tokens is None or budget < max_tokens):
        return budget
    below = "" if max_tokens is None else f" and less than `max_tokens`, which is {max_tokens}"
    raise InvalidRequest(
        f"`thinking.budget_tokens` should be at least {MIN_THINKING_TOKENS}{below}, not {budget}.",
        hint="Raise `max_tokens`, or let the model decide by the type adaptive.",
        param="thinking.budget_tokens",
    )
