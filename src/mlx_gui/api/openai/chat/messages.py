"""OpenAI's messages as core has them."""

from collections.abc import Sequence

from mlx_gui.api.openai.chat.wire import (
    CalledFunction,
    CallInHistory,
    ChatMessage,
    ContentPart,
)
from mlx_gui.api.openai.custom import arguments_of
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

_SENSES = {"image_url": "pictures", "input_audio": "sound", "file": "files"}


class Conversation:
    """Translates turn after turn; a tool's result looks back at the call that it answers."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._last_id = "call_0"

    def messages(self, turns: Sequence[ChatMessage]) -> tuple[Message, ...]:
        """The turns. Raises InvalidRequest, and CapabilityMissing for what is not text."""
        return tuple(
            self._message(turn, where=f"messages[{index}]", index=index)
            for index, turn in enumerate(turns)
        )

    def _message(self, turn: ChatMessage, *, where: str, index: int) -> Message:
        if turn.content is None and turn.role != "assistant":
            raise InvalidRequest(
                f"`{where}.content` is required for the role {turn.role}.",
                hint="Only an assistant's message may be without content.",
                param=f"{where}.content",
            )
        content = [
            _part(part, where=f"{where}.content[{number}]")
            for number, part in enumerate(turn.content or ())
        ]
        match turn.role:
            case "tool" | "function":
                return self._result(turn, content, where=where)
            case "assistant":
                thought = turn.reasoning_content or turn.reasoning
                reasoning = [ReasoningPart(thought)] if thought else []
                calls = self._calls(turn, where=where, index=index)
                return Message("assistant", (*reasoning, *content, *calls), turn.name)
            case role:
                known: Role = "system" if role == "developer" else role
                return Message(known, tuple(content), turn.name)

    def _calls(self, turn: ChatMessage, *, where: str, index: int) -> list[Part]:
        calls = [
            _call(call, where=f"{where}.tool_calls[{n}]")
            for n, call in enumerate(turn.tool_calls or ())
        ]
        if turn.function_call is not None:
            calls.append(_called(f"call_{index}", turn.function_call))
        for call in calls:
            self._names[call.id] = call.name
            self._last_id = call.id
        return list(calls)

    def _result(self, turn: ChatMessage, content: list[TextPart], *, where: str) -> Message:
        call_id = turn.tool_call_id
        if turn.role == "function":
            # The older form has no ids: a result belongs to the call before it.
            call_id = self._last_id
        if call_id is None:
            raise InvalidRequest(
                f"`{where}.tool_call_id` is required for the role tool.",
                hint="Send the `id` of the call that this answers.",
                param=f"{where}.tool_call_id",
            )
        text = "".join(part.text for part in content)
        name = turn.name or self._names.get(call_id)
        return Message("tool", (ToolResultPart(call_id, text, name),), turn.name)


def _call(call: CallInHistory, *, where: str) -> ToolCallPart:
    if call.type == "custom" and call.custom is not None:
        return ToolCallPart(call.id, call.custom.name, arguments_of(call.custom.input))
    if call.type == "function" and call.function is not None:
        return _called(call.id, call.function)
    raise InvalidRequest(
        f"`{where}.{call.type}` is required.",
        hint="Send the call as the answer has it.",
        param=f"{where}.{call.type}",
    )


def _called(id: str, function: CalledFunction) -> ToolCallPart:
    return ToolCallPart(id, function.name, function.arguments.strip() or "{}")


def _part(part: ContentPart, *, where: str) -> TextPart:
    if part.type in ("text", "refusal"):
        text = part.text if part.type == "text" else part.refusal
        if text is None:
            raise InvalidRequest(
                f"`{where}.{part.type}` is required.",
                hint=f"It is what a part of the type {part.type} says.",
                param=f"{where}.{part.type}",
            )
        return TextPart(text)
    if sense := _SENSES.get(part.type):
        raise CapabilityMissing(
            f"This model reads text only, but `{where}` is of the type {part.type}.",
            hint=f"Leave it out, or ask a model that takes {sense}.",
            param=where,
        )
    raise InvalidRequest(
        f"`{where}.type` should be text, not {part.type[:40]!r}.",
        hint="A message's content is a string, or a list of parts of the type text.",
        param=f"{where}.type",
    )
