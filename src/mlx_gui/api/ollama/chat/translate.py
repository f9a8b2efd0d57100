"""Ollama's chat JSON ↔ core, nothing else."""

from typing import Any

import msgspec

from mlx_gui.api.json_schema import check_schema
from mlx_gui.api.notices import Notices
from mlx_gui.api.ollama.answers import Piece
from mlx_gui.api.ollama.chat.wire import OllamaChatRequest, OllamaMessage, OllamaOfferedTool
from mlx_gui.api.ollama.translate import (
    grammar,
    limits,
    reasoning,
    sampling,
    top_logprobs,
    truncates,
)
from mlx_gui.api.pictures import newest_user_turn, unreadable
from mlx_gui.core.generation import (
    GenerateRequest,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)


def to_core(body: OllamaChatRequest, *, notices: Notices | None = None) -> GenerateRequest:
    """The canonical request. Pictures that the user does not show now are noted in `notices`.

    Raises InvalidRequest, and CapabilityMissing for pictures that the user does show now.
    """
    end = limits(body.options)
    return GenerateRequest(
        messages=_messages(body.messages or [], notices or Notices()),
        sampling=sampling(body.options),
        max_tokens=end.max_tokens,
        stop=end.stop,
        tools=tuple(
            _tool(tool, where=f"tools[{index}]") for index, tool in enumerate(body.tools or ())
        ),
        grammar=grammar(body),
        reasoning=reasoning(body),
        top_logprobs=top_logprobs(body),
        truncate=truncates(body),
    )


def message_body(piece: Piece) -> dict[str, Any]:
    """The fields of a line that are the chat's own."""
    message: dict[str, Any] = {"role": "assistant", "content": piece.text}
    if piece.thinking:
        message["thinking"] = piece.thinking
    if piece.calls:
        message["tool_calls"] = list(piece.calls)
    return {"message": message}


def _messages(turns: list[OllamaMessage], notices: Notices) -> tuple[Message, ...]:
    calls = _EarlierCalls()
    newest = newest_user_turn([turn.role for turn in turns])
    return tuple(
        _message(
            turn,
            calls,
            pictures=[
                unreadable(
                    "a picture",
                    type_="images",
                    where=f"messages[{index}].images",
                    shown_now=index in newest and turn.role == "user",
                    notices=notices,
                )
                for _ in turn.images or ()
            ],
        )
        for index, turn in enumerate(turns)
    )


def _message(turn: OllamaMessage, calls: "_EarlierCalls", *, pictures: list[str]) -> Message:
    """The turn, with a text for each of its pictures."""
    text = "\n".join(part for part in (turn.content, *pictures) if part)
    if turn.role == "tool":
        call_id = turn.tool_call_id or calls.answered_by(turn.tool_name)
        return Message("tool", (ToolResultPart(call_id, text, turn.tool_name),))
    parts: list[Part] = []
    if turn.thinking:
        parts.append(ReasoningPart(turn.thinking))
    if text:
        parts.append(TextPart(text))
    for call in turn.tool_calls or ():
        arguments = msgspec.json.encode(call.function.arguments or {}).decode()
        call_id = calls.made(call.id, call.function.name)
        parts.append(ToolCallPart(call_id, call.function.name, arguments))
    return Message(turn.role, tuple(parts))


def _tool(tool: OllamaOfferedTool, *, where: str) -> Tool:
    function = tool.function
    # Ollama's own client sends null for what a schema has not.
    parameters = {
        key: value for key, value in (function.parameters or {}).items() if value is not None
    }
    check_schema(parameters, param=f"{where}.function.parameters")
    return Tool(function.name, function.description or "", parameters)


class _EarlierCalls:
    """Gives ids to calls and results, which need none with Ollama."""

    def __init__(self) -> None:
        self._count = 0
        self._unanswered: list[tuple[str, str]] = []

    def made(self, id: str | None, name: str) -> str:
        """The id of a call to `name`."""
        call_id = id or self._new()
        self._unanswered.append((call_id, name))
        return call_id

    def answered_by(self, name: str | None) -> str:
        """The id of the first call without a result: to `name`, if there is one, or to anything."""
        of_that_name = [call for call in self._unanswered if call[1] == name]
        for call in of_that_name or self._unanswered[:1]:
            self._unanswered.remove(call)
            return call[0]
        return self._new()

    def _new(self) -> str:
        self._count += 1
        return f"call_{self._count}"
