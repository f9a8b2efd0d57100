"""Messages as chat templates take them."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, cast

from mlx_gui.core.errors import CapabilityMissing
from mlx_gui.core.generation import (
    ImagePart,
    Message,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from mlx_gui.parsers.base import Call, CallForm
from mlx_gui.parsers.library_syntax import openai_tool

Turn = dict[str, Any]
Part = dict[str, str]
Content = str | list[Part]
"""Of a turn: its text, or with pictures all of its parts."""

_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")

INVALID_JSON = "INVALID_JSON"
"""The one argument of an earlier call whose arguments are no JSON object; it is their text.

Anthropic advises this name, so its clients send it already.
"""

_TOOL_PROMPT = """\
You can call functions. These are their signatures, one JSON object a line:
<tools>
{tools}
</tools>
To call one, write nothing but this, with its name and its arguments as a JSON object:
{call}
The result comes between <tool_response> and </tool_response>."""


def plain_turns(messages: Sequence[Message], *, sees: bool = False) -> list[Turn]:
    """The messages with their content as one string, and each result of a tool a turn of its own.

    Content with pictures is a list of parts, for a model that `sees`. Raises CapabilityMissing for
    pictures otherwise.
    """
    names = {
        part.id: part.name
        for message in messages
        for part in message.parts
        if isinstance(part, ToolCallPart)
    }
    return [turn for message in messages for turn in _turns(message, names, sees=sees)]


def repaired_turns(turns: Sequence[Turn], form: CallForm) -> Iterator[list[Turn]]:
    """The same in other shapes for a template that refuses them, one after the other.

    Each changes more: first the ids of calls, then the order, at last calls become text.
    """
    short = [_with_short_ids(turn) for turn in turns]
    yield short
    yield normal_turns(short, calls_apart=True)
    yield normal_turns(short)
    yield normal_turns(turns_without_calls(turns, form))


def normal_turns(turns: Sequence[Turn], *, calls_apart: bool = False) -> list[Turn]:
    """The same for templates that know users and assistants only, who take turns, the user first.

    System texts open the next user's turn, results of tools are the user's, and turns of one role
    in a row become one. Where nobody has asked before the assistant, somebody has asked nothing.
    With `calls_apart` calls and results stay as they are, as if they were not among the turns.
    """
    normal: list[Turn] = []
    system: list[Content] = []
    for turn in turns:
        if turn["role"] == "system":
            system.append(turn["content"])
        elif calls_apart and _is_of_calls(turn):
            normal.append(turn)
        elif turn["role"] == "assistant":
            if all(_is_of_calls(each) for each in normal):
                normal.insert(0, {"role": "user", "content": _joined(system)})
                system = []
            _join(normal, turn, [], calls_apart=calls_apart)
        else:
            _join(normal, {**turn, "role": "user"}, system)
            system = []
    if system:
        _join(normal, {"role": "user", "content": ""}, system)
    return normal


def turns_with_prompt(turns: Sequence[Turn], tools: Sequence[Tool], form: CallForm) -> list[Turn]:
    """The same with the tools, and how to call them, told by the system."""
    prompt = _TOOL_PROMPT.format(
        tools="\n".join(json.dumps(openai_tool(tool), ensure_ascii=False) for tool in tools),
        call=form.render([Call("<name>", "<arguments>")]),
    )
    if turns and turns[0]["role"] == "system":
        return [{**turns[0], "content": _joined([turns[0]["content"], prompt])}, *turns[1:]]
    return [{"role": "system", "content": prompt}, *turns]


def turns_without_calls(turns: Sequence[Turn], form: CallForm) -> list[Turn]:
    """The same for templates that know no calls: these and their results become text."""
    return [_as_text(turn, form) for turn in turns]


def _join(
    turns: list[Turn], turn: Turn, system: Sequence[Content], *, calls_apart: bool = False
) -> None:
    """Add `turn`, behind the texts of `system`, to the last one if that has the same role."""
    texts = [*system, turn["content"]]
    last = turns[-1] if turns else None
    if last and last["role"] == turn["role"] and not (calls_apart and _is_of_calls(last)):
        turns.pop()
        calls = [*last.get("tool_calls", ()), *turn.get("tool_calls", ())]
        turn = {**last, **turn, **({"tool_calls": calls} if calls else {})}
        texts = [last["content"], *texts]
    turns.append({**turn, "content": _joined(texts)})


def _joined(contents: Iterable[Content]) -> Content:
    """One after the other, with an empty line between them; a list where one of them is."""
    told = [each for each in contents if each]
    if all(isinstance(each, str) for each in told):
        return "\n\n".join(cast(list[str], told))
    parts: list[Part] = []
    for place, each in enumerate(told):
        parts += [_text(each)] if isinstance(each, str) else each
        if place + 1 < len(told):
            parts.append(_text("\n\n"))
    return parts


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def _is_of_calls(turn: Turn) -> bool:
    return turn["role"] == "tool" or "tool_calls" in turn


def _with_short_ids(turn: Turn) -> Turn:
    """The same with ids as Mistral's templates insist on."""
    if "tool_call_id" in turn:
        return {**turn, "tool_call_id": _short_id(turn["tool_call_id"])}
    if "tool_calls" in turn:
        calls = [{**call, "id": _short_id(call["id"])} for call in turn["tool_calls"]]
        return {**turn, "tool_calls": calls}
    return turn


def _short_id(id: str) -> str:
    """The same for the same id."""
    return id if _SHORT_ID.fullmatch(id) else sha256(id.encode(errors="replace")).hexdigest()[:9]


def _turns(message: Message, names: dict[str, str], *, sees: bool) -> list[Turn]:
    pictures = any(isinstance(part, ImagePart) for part in message.parts)
    if pictures and not sees:
        raise CapabilityMissing(
            "This model reads text only, and a message holds a picture.",
            hint="Choose a model with the capability vision.",
        )
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    turns = [_result(part, part.name or names.get(part.call_id)) for part in results]
    if results and not any(isinstance(part, TextPart | ImagePart) for part in message.parts):
        return turns
    content = _in_parts(message) if pictures else message.text()
    turn: Turn = {"role": message.role, "content": content}
    if message.name is not None:
        turn["name"] = message.name
    thought = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
    if thought:
        # Templates of gpt-oss read it by the second name.
        turn |= {"reasoning_content": thought, "thinking": thought}
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCallPart)]
    if calls:
        turn["tool_calls"] = calls
    return [*turns, turn]


def _in_parts(message: Message) -> list[Part]:
    """Texts and pictures in their order; who they are of says nothing here."""
    return [
        _text(part.text) if isinstance(part, TextPart) else {"type": "image"}
        for part in message.parts
        if isinstance(part, TextPart | ImagePart)
    ]


def _result(part: ToolResultPart, name: str | None) -> Turn:
    turn: Turn = {"role": "tool", "content": part.text, "tool_call_id": part.call_id}
    return turn if name is None else {**turn, "name": name}


def _call(part: ToolCallPart) -> Turn:
    """Templates want the arguments as an object, and many go through its members."""
    try:
        arguments: object = json.loads(part.arguments.strip() or "null")
    except (RecursionError, ValueError):
        arguments = part.arguments
    if arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        # The model is to see what it wrote: the call's result says what is wrong with it.
        arguments = {INVALID_JSON: part.arguments}
    function = {"name": part.name, "arguments": arguments}
    return {"id": part.id, "type": "function", "function": function}


def _as_text(turn: Turn, form: CallForm) -> Turn:
    if turn["role"] == "tool":
        told = turn["content"]
        if isinstance(told, str):
            return {"role": "user", "content": f"<tool_response>\n{told}\n</tool_response>"}
        parts = [_text("<tool_response>\n"), *told, _text("\n</tool_response>")]
        return {"role": "user", "content": parts}
    functions = [call["function"] for call in turn.get("tool_calls", ())]
    if not functions:
        return turn
    calls = form.render(
        [
            Call(function["name"], json.dumps(function["arguments"], ensure_ascii=False))
            for function in functions
        ]
    )
    plain = {key: value for key, value in turn.items() if key != "tool_calls"}
    if not isinstance(turn["content"], str):
        return {**plain, "content": _joined([turn["content"], calls])}
    return {**plain, "content": "\n".join(text for text in (turn["content"], calls) if text)}
