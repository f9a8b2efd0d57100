"""Anthropic's turns and their blocks → core's messages."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

import msgspec

from mlx_gui.api.anthropic.messages.wire import (
    MessageBlock,
    MessageCountRequest,
    MessageSource,
    MessageTurn,
)
from mlx_gui.api.pictures import (
    PictureSource,
    Sense,
    Shown,
    behind_results,
    newest_user_turn,
)
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import (
    ImagePart,
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
_SENSES: dict[str, Sense] = {
    "image": "a picture",
    "audio": "sound",
    "video": "a video",
    "container_upload": "a file",
}
# What no user says but a program puts into a turn: tools and their changes, summaries.
_MACHINERY = re.compile(r"\w+_tool_(use|result)|tool_\w+|compaction\w*|context_\w+|system\w*")
_SAYING = ("title", "url", "text", "stdout", "stderr", "content")
# Claude Code begins its system prompt with this line, which differs from request to request: left
# there, no request would find the prompt of another one in the cache.
_BILLING_LINE = re.compile(r"\Ax-anthropic-billing-header:[^\n]*\n?")

T = TypeVar("T")


def messages_of(body: MessageCountRequest, shown: Shown) -> tuple[Message, ...]:
    """System prompt and turns; blocks that are not known are noted as left out.

    Raises InvalidRequest, CapabilityMissing for what the user shows now and the model cannot take,
    and what `Shown.picture` raises.
    """
    reader = _Reader(shown)
    messages: list[Message] = []
    texts = reader.texts(body.system or [], where="system", shown_now=False)
    system = [_BILLING_LINE.sub("", text) for text in texts]
    told = [TextPart(text) for text in system if text]
    _append(messages, "system", [*told, *reader.taken_pictures()])
    newest = _newest(body.messages)
    for index, turn in enumerate(body.messages):
        where = f"messages[{index}]"
        last = index == len(body.messages) - 1
        if not (last and turn.role == "assistant") and _is_empty(turn):
            raise InvalidRequest(
                f"`{where}.content` is empty.",
                hint="Only the last message may be, if it is the assistant's.",
                param=f"{where}.content",
            )
        before = len(messages), messages[-1:]
        shown_now = index in newest and turn.role == "user"
        _append_turn(messages, turn, reader, where=where, shown_now=shown_now)
        if last and turn.role == "user" and (len(messages), messages[-1:]) == before:
            _check_said(turn, where=where)
    if not messages:
        raise InvalidRequest(
            "The `messages` say nothing.", hint="Send what the user says.", param="messages"
        )
    return behind_results(messages)


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


def _newest(turns: list[MessageTurn]) -> range:
    """The turns in which the user shows something now.

    Beside the result of a tool it is not the user's: agents put there what a tool has read.
    """
    newest = newest_user_turn([turn.role for turn in turns])
    blocks = [block for index in newest for block in turns[index].content]
    return range(0) if any(block.type == "tool_result" for block in blocks) else newest


def _check_said(turn: MessageTurn, *, where: str) -> None:
    """A turn that asks for the answer must say something, if it has anything at all."""
    for index, block in enumerate(turn.content):
        if block.other is not None:
            raise _unknown(block, where=f"{where}.content[{index}]")


def _append_turn(
    messages: list[Message], turn: MessageTurn, reader: "_Reader", *, where: str, shown_now: bool
) -> None:
    """Add a turn; each tool's result is a message."""
    role = _role(turn, messages)
    parts: list[Part] = []
    for index, block in enumerate(turn.content):
        place = f"{where}.content[{index}]"
        part = reader.part(block, turn.role, where=place, shown_now=shown_now)
        pictures = reader.taken_pictures()
        if isinstance(part, ToolResultPart):
            _append(messages, role, parts)
            messages.append(Message("tool", (part, *pictures)))
            parts = []
        else:
            parts += (*(() if part is None else (part,)), *pictures)
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


class _Reader:
    """Reads blocks, one after the other: a result looks back at the call that it answers."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._pictures: list[ImagePart] = []
        self._tool_names: dict[str, str] = {}
        self._others: dict[str, str] = {}

    def part(self, block: MessageBlock, role: str, *, where: str, shown_now: bool) -> Part | None:
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
                return self._tool_call(block, where=where)
            case "tool_result":
                return self._tool_result(block, where=where)
            case "image" if self._shown.sees:
                return self._shown.picture(_source(block, where=where))
            case _:
                text = self._text(block, where=where, shown_now=shown_now)
                return TextPart(text) if text else None

    def taken_pictures(self) -> list[ImagePart]:
        """Those inside of what was read since this was asked; their texts name them."""
        taken, self._pictures = self._pictures, []
        return taken

    def texts(self, blocks: list[MessageBlock], *, where: str, shown_now: bool) -> Iterator[str]:
        """What each of the blocks says in words."""
        for index, block in enumerate(blocks):
            yield self._text(block, where=f"{where}[{index}]", shown_now=shown_now)

    def _tool_call(self, block: MessageBlock, *, where: str) -> ToolCallPart:
        id = given(block.id, f"{where}.id")
        name = given(block.name, f"{where}.name")
        self._tool_names[id] = name
        arguments = given(block.input, f"{where}.input")
        return ToolCallPart(id, name, msgspec.json.encode(arguments).decode())

    def _tool_result(self, block: MessageBlock, *, where: str) -> Part | None:
        id = given(block.tool_use_id, f"{where}.tool_use_id")
        if id not in self._tool_names and id not in self._others:
            raise InvalidRequest(
                f"`{where}.tool_use_id` is '{id[:80]}', but no tool_use before it has this id.",
                hint="Send the assistant's message with the call before its result.",
                param=f"{where}.tool_use_id",
            )
        content = self.texts(block.content or [], where=f"{where}.content", shown_now=False)
        text = "".join(content)
        told = f"Error: {text}" if block.is_error else text
        if id in self._others:
            return TextPart(f"[{self._others[id]}: {told}]") if told else None
        return ToolResultPart(id, told, self._tool_names[id])

    def _text(self, block: MessageBlock, *, where: str, shown_now: bool) -> str:
        """What a block says in words, or what stands in its place."""
        match block.type:
            case "text":
                return given(block.text, f"{where}.text")
            case "tool_reference":
                return given(block.tool_name, f"{where}.tool_name")
            case "document":
                source = given(block.source, f"{where}.source")
                body = self._document(source, where=f"{where}.source", shown_now=shown_now)
                return _paragraphs(block.title, block.context, body)
            case "search_result":
                source = given(block.source, f"{where}.source")
                found = given(block.content, f"{where}.content")
                texts = self.texts(found, where=f"{where}.content", shown_now=shown_now)
                return _paragraphs(block.title, source.data, *texts)
            case "image" if self._shown.sees:
                named, picture = self._shown.picture_of_result(_source(block, where=where))
                self._pictures.append(picture)
                return named.text
            case type_ if sense := _SENSES.get(type_):
                return self._shown.unreadable(sense, type_=type_, where=where, shown_now=shown_now)
            case _ if block.other is not None:
                return self._other(block, where=where, shown_now=shown_now)
            case _:
                raise InvalidRequest(
                    f"`{where}` is a {block.type}, where only text can be.",
                    hint="Text comes in blocks of the types text, document and search_result.",
                    param=where,
                )

    def _document(self, source: MessageSource, *, where: str, shown_now: bool) -> str:
        match source.type:
            case "text":
                return given(source.data, f"{where}.data")
            case "content":
                blocks = given(source.content, f"{where}.content")
                where = f"{where}.content"
                return _paragraphs(*self.texts(blocks, where=where, shown_now=shown_now))
            case _:
                return self._shown.unreadable(
                    "a file", type_="document", where=where, shown_now=shown_now
                )

    def _other(self, block: MessageBlock, *, where: str, shown_now: bool) -> str:
        """A block of a tool that is not here, or of the future: what it says in texts."""
        if shown_now and not _MACHINERY.fullmatch(block.type):
            raise _unknown(block, where=where)
        self._shown.notices.leave_out([block.type])
        if block.id is not None:
            self._others[block.id] = block.type
        text = "\n".join(_said(block.other or {}))
        return f"[{block.type}: {text}]" if text else ""


def _source(block: MessageBlock, *, where: str) -> PictureSource:
    """The picture of an image block. Raises InvalidRequest where it says none."""
    source = given(block.source, f"{where}.source")
    where = f"{where}.source"
    match source.type:
        case "base64":
            return PictureSource(given(source.data, f"{where}.data"), f"{where}.data", base64=True)
        case "url":
            return PictureSource(given(source.url, f"{where}.url"), f"{where}.url")
        case type_:
            raise InvalidRequest(
                f"`{where}.type` is {json.dumps(type_[:40])}, which this server does not keep.",
                hint="Send the picture as base64, or its url.",
                param=f"{where}.type",
            )


def _said(value: object) -> Iterator[str]:
    """The texts in a block that is not known, wherever they stand in it."""
    if isinstance(value, list):
        for each in cast(list[object], value):
            yield from _said(each)
    elif isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        for name in _SAYING:
            inner = fields.get(name)
            if isinstance(inner, str) and inner:
                yield inner
            elif not isinstance(inner, str):
                yield from _said(inner)


def _unknown(block: MessageBlock, *, where: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{where}.type` is {json.dumps(block.type[:40])}, which this server cannot read.",
        hint="What the user says is text, or a document or search result of text.",
        param=f"{where}.type",
    )


def _paragraphs(*texts: str | None) -> str:
    return "\n\n".join(text for text in texts if text)
