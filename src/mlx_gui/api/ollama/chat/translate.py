"""Ollama's chat JSON ↔ core, nothing else."""

from typing import Any

import msgspec

from mlx_gui.api.json_schema import check_schema
from mlx_gui.api.ollama.answers import Piece
from mlx_gui.api.ollama.chat.wire import OllamaChatRequest, OllamaMessage, OllamaOfferedTool
from mlx_gui.api.ollama.pictures import source_of
from mlx_gui.api.ollama.translate import (
    grammar,
    limits,
    reasoning,
    sampling,
    top_logprobs,
    truncates,
)
from mlx_gui.api.pictures import Shown, behind_results, newest_user_turn
from mlx_gui.core.generation import (
    GenerateRequest,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)


def to_core(body: OllamaChatRequest, *, shown: Shown) -> GenerateRequest:
    """The canonical request. Pictures that the user does not show now are noted as left out, where
    the model reads text only.

    Raises InvalidRequest, CapabilityMissing for pictures that the user does show now to such a
    model, and what `Shown.picture` raises.
    """
    end = limits(body.options)
    return GenerateRequest(
        messages=_messages(body.messages or [], shown),
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


def _messages(turns: list[OllamaMessage], shown: Shown) -> tuple[Message, ...]:
    calls = _EarlierCalls()
    newest = newest_user_turn([turn.role for turn in turns])
    return behind_results(
        _message(
            turn,
            calls,
            shown,
            where=f"messages[{index}].images",
            shown_now=index in newest and turn.role == "user",
        )
        for index, turn in enumerate(turns)
    )


def _message(
    turn: OllamaMessage, calls: "_EarlierCalls", shown: Shown, *, where: str, shown_now: bool
) -> Message:
    """The turn, with its pictures or a text for each of them; `where` are these."""
    texts, pictures = [turn.content or ""], list[ImagePart]()
    for number, image in enumerate(turn.images or ()):
        if not shown.sees:
            texts.append(
                shown.unreadable("a picture", type_="images", where=where, shown_now=shown_now)
            )
        elif turn.role == "tool":
            named, picture = shown.picture_of_result(source_of(image, f"{where}[{number}]"))
            texts.append(named.text)
            pictures.append(picture)
        else:
            pictures.append(shown.picture(source_of(image, f"{where}[{number}]")))
    text = "\n".join(part for part in texts if part)
    if turn.role == "tool":
        call_id = turn.tool_call_id or calls.answered_by(turn.tool_name)
        return Message("tool", (ToolResultPart(call_id, text, turn.tool_name), *pictures))
    parts: list[Part] = []
    if turn.thinking:
        parts.append(ReasoningPart(turn.thinking))
    parts += pictures
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
