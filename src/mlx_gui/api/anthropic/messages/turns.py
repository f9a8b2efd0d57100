"""Anthropic's turns and their blocks → core's messages."""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from mlx_gui.api.anthropic.messages.wire import (
    MessageBlock,
    MessageCountRequest,
    MessageSource,
    MessageTurn,
)
from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import (
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_AUTHORS = {
    "tool_use": "assistant",
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "tool_result": "user",
}
_BLANK_LINE = TextPart("\n\n")
# Claude Code begins its system prompt with this line, which differs from request to request: left
# there, no request would find the prompt of another one in the cache.
_BILLING_LINE = re.compile(r"\Ax-anthropic-billing-header:[^\n]*\n?")

T = TypeVar("T")


def messages_of(body: MessageCountRequest) -> tuple[Message, ...]:
    """System prompt and turns. Raises InvalidRequest, and CapabilityMissing for what is no text."""
    messages: list[Message] = []
    system = [_BILLING_LINE.sub("", text) for text in _texts(body.system or [], where="system")]
    _append(messages, "system", [TextPart(text) for text in system if text])
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


def is_prefilled(body: MessageCountRequest, messages: tuple[Message, ...]) -> bool:
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


def given(value: T | None, where: str) -> T:
    """The value of the field `where`. Raises InvalidRequest when it is missing."""
    if value is None:
        raise InvalidRequest(
            f"`{where}` is required.", hint="/docs describes the fields of a block.", param=where
        )
    return value


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
            thought = given(block.thinking, f"{where}.thinking")
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
    id = given(block.id, f"{where}.id")
    name = given(block.name, f"{where}.name")
    tool_names[id] = name
    arguments = given(block.input, f"{where}.input")
    return ToolCallPart(id, name, msgspec.json.encode(arguments).decode())


def _tool_result(block: MessageBlock, tool_names: dict[str, str], *, where: str) -> ToolResultPart:
    id = given(block.tool_use_id, f"{where}.tool_use_id")
    if id not in tool_names:
        raise InvalidRequest(
            f"`{where}.tool_use_id` is '{id[:80]}', but no tool_use before it has this id.",
            hint="Send the assistant's message with the call before its result.",
            param=f"{where}.tool_use_id",
        )
    text = "".join(_texts(block.content or [], where=f"{where}.content"))
    return ToolResultPart(id, f"Error: {text}" if block.is_error else text, tool_names[id])


def _texts(blocks: list[MessageBlock], *, where: str) -> Iterator[str]:
    for index, block in enumerate(blocks):
        yield _text(block, where=f"{where}[{index}]")


def _text(block: MessageBlock, *, where: str) -> str:
    """What a block says in words. Raises CapabilityMissing for pictures and the like."""
    match block.type:
        case "text":
            return given(block.text, f"{where}.text")
        case "tool_reference":
            return given(block.tool_name, f"{where}.tool_name")
        case "document":
            source = given(block.source, f"{where}.source")
            body = _document(source, where=f"{where}.source")
            return _paragraphs(block.title, block.context, body)
        case "search_result":
            source = given(block.source, f"{where}.source")
            found = given(block.content, f"{where}.content")
            texts = _texts(found, where=f"{where}.content")
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
            return given(source.data, f"{where}.data")
        case "content":
            blocks = given(source.content, f"{where}.content")
            return _paragraphs(*_texts(blocks, where=f"{where}.content"))
        case other:
            raise _no_eyes(f"a document of the type {other[:40]}", where)


def _no_eyes(what: str, where: str) -> CapabilityMissing:
    return CapabilityMissing(
        f"This model reads text only, but `{where}` is {what}.",
        hint="Send what it says as text, or ask a model that takes pictures and files.",
        param=where,
    )


def _paragraphs(*texts: str | None) -> str:
    return "\n\n".join(text for text in texts if text)
