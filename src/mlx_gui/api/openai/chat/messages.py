"""OpenAI's messages as core has them."""

from collections.abc import Sequence
from typing import Any, cast

from mlx_gui.api.openai.chat.wire import (
    PICTURE_TYPES,
    SOUND_TYPE,
    CalledFunction,
    CallInHistory,
    ChatMessage,
    ContentPart,
)
from mlx_gui.api.openai.custom import arguments_of
from mlx_gui.api.openai.picture_sources import source_of
from mlx_gui.api.pictures import Sense, Shown, behind_results, newest_user_turn
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

_SENSES: dict[str, Sense] = {
    "image_url": "a picture",
    "image": "a picture",
    "input_image": "a picture",
    "input_audio": "sound",
    "audio_url": "sound",
    "video_url": "a video",
    "file": "a file",
    "input_file": "a file",
}


class Conversation:
    """Translates turn after turn; a tool's result looks back at the call that it answers.

    What they show besides text is `shown`.
    """

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._names: dict[str, str] = {}
        self._open: list[ToolCallPart] = []
        self._last_id = "call_0"

    def messages(self, turns: Sequence[ChatMessage]) -> tuple[Message, ...]:
        """The turns.

        Raises InvalidRequest, CapabilityMissing for what the user shows now and the model cannot
        take, and what `Shown.picture` raises.
        """
        newest = newest_user_turn([turn.role for turn in turns])
        return behind_results(
            self._message(turn, where=f"messages[{index}]", index=index, now=index in newest)
            for index, turn in enumerate(turns)
        )

    def _message(self, turn: ChatMessage, *, where: str, index: int, now: bool) -> Message:
        if turn.content is None and turn.role != "assistant":
            raise InvalidRequest(
                f"`{where}.content` is required for the role {turn.role}.",
                hint="Only an assistant's message may be without content.",
                param=f"{where}.content",
            )
        shown_now = now and turn.role == "user"
        result = turn.role in ("tool", "function")
        content = [
            each
            for number, part in enumerate(turn.content or ())
            for each in self._part(
                part, where=f"{where}.content[{number}]", shown_now=shown_now, result=result
            )
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
        self._open = list(calls)
        for call in calls:
            self._names[call.id] = call.name
            self._last_id = call.id
        return list(calls)

    def _result(self, turn: ChatMessage, content: list[Part], *, where: str) -> Message:
        call_id = turn.tool_call_id or self._answered(turn.name)
        if call_id is None and (turn.role == "function" or turn.name):
            # Nothing is left to answer; the name says enough.
            call_id = self._last_id
        if call_id is None:
            raise InvalidRequest(
                f"`{where}.tool_call_id` is required for the role tool.",
                hint="Send the `id` of the call that this answers; no call before it is open.",
                param=f"{where}.tool_call_id",
            )
        self._open = [call for call in self._open if call.id != call_id]
        text = "".join(part.text for part in content if isinstance(part, TextPart))
        pictures = (part for part in content if isinstance(part, ImagePart))
        name = turn.name or self._names.get(call_id)
        return Message("tool", (ToolResultPart(call_id, text, name), *pictures), turn.name)

    def _answered(self, name: str | None) -> str | None:
        """The id of the open call that a result without an id answers: by name, else by order."""
        named = [call.id for call in self._open if call.name == name]
        return next(iter((*named, *(call.id for call in self._open))), None)

    def _part(
        self, part: ContentPart, *, where: str, shown_now: bool, result: bool
    ) -> tuple[Part, ...]:
        """What it is to a model: one part, or a picture of a `result` and the text for it."""
        if part.type in PICTURE_TYPES and self._shown.sees:
            source = source_of(part.image_url, part.detail, where=f"{where}.image_url")
            if result:
                return self._shown.picture_of_result(source)
            return (self._shown.picture(source),)
        if part.type == SOUND_TYPE and self._shown.hears and not result:
            sound = part.input_audio
            encoded = cast(dict[str, Any], sound).get("data") if isinstance(sound, dict) else None
            return (self._shown.sound(encoded, where=f"{where}.input_audio.data"),)
        return (self._text(part, where=where, shown_now=shown_now),)

    def _text(self, part: ContentPart, *, where: str, shown_now: bool) -> TextPart:
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
            return TextPart(
                self._shown.unreadable(sense, type_=part.type, where=where, shown_now=shown_now)
            )
        if shown_now:
            raise InvalidRequest(
                f"`{where}.type` should be text, not {part.type[:40]!r}.",
                hint="A message's content is a string, or a list of parts of the type text.",
                param=f"{where}.type",
            )
        self._shown.notices.leave_out([part.type])
        return TextPart(part.text or "")


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
