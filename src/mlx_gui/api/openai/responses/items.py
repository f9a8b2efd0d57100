"""Items of a conversation ↔ core messages, nothing else."""

from collections.abc import Sequence
from typing import Any, TypeVar

from mlx_gui.api.openai.responses.wire.request import ContentPart, Item
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

T = TypeVar("T")

_ROLES: dict[str, Role] = {"user": "user", "system": "system", "developer": "system"}
_TEXTS = frozenset({"input_text", "output_text", "reasoning_text", "summary_text", "text"})
_SENSES = {"input_image": "pictures", "input_audio": "sound", "input_file": "files"}
_KNOWN = "message, function_call, function_call_output, reasoning and item_reference"


def kind_of(item: Item, *, where: str) -> str:
    """The item's type, which a message and a reference may leave out. Raises InvalidRequest."""
    if item.type is not None:
        return item.type
    if item.role is not None:
        return "message"
    if item.id is not None:
        return "item_reference"
    raise InvalidRequest(
        f"`{where}.type` is required.",
        hint=f"Items are {_KNOWN}; a message needs a role.",
        param=f"{where}.type",
    )


def to_messages(earlier: Sequence[Item], own: Sequence[Item]) -> list[Message]:
    """The turns that `earlier` items of the conversation and the request's own amount to.

    What an assistant thought, said and called in one turn is one message. Raises InvalidRequest,
    and CapabilityMissing for what is not text.
    """
    turns = _Turns()
    for item in earlier:
        turns.add(item, where="previous_response_id")
    for index, item in enumerate(own):
        turns.add(item, where=f"input[{index}]")
    return turns.finish()


def as_listed(items: Sequence[Item], *, key: str) -> list[dict[str, Any]]:
    """`items` as they are stored and listed, each with an id; those of ours begin with `key`."""
    listed: list[dict[str, Any]] = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        id = item.id if item.id and item.id not in seen else f"item_{key}_i{index}"
        seen.add(id)
        kind = kind_of(item, where=f"input[{index}]")
        listed.append({"id": id, "type": kind, **_fields(item, kind)})
    return listed


class _Turns:
    """Messages so far, and the parts of the assistant's turn that is still open."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._open: list[Part] = []
        self._names: dict[str, str] = {}
        self._cut_off: dict[str, ToolCallPart] = {}

    def add(self, item: Item, *, where: str) -> None:
        match kind_of(item, where=where):
            case "message":
                self._add_message(item, where)
            case "function_call":
                self._add_call(item, where)
            case "function_call_output":
                self._add_result(item, where)
            case "reasoning":
                self._add_thought(item)
            case kind:
                raise InvalidRequest(
                    f"`{where}.type` is {kind[:40]!r}, which this server cannot read.",
                    hint=f"Items are {_KNOWN}.",
                    param=f"{where}.type",
                )

    def finish(self) -> list[Message]:
        if self._open:
            self._messages.append(Message("assistant", tuple(self._open)))
            self._open = []
        return self._messages

    def _add_message(self, item: Item, where: str) -> None:
        role = _required(item.role, f"{where}.role")
        content = _required(item.content, f"{where}.content")
        parts = [_text(part, f"{where}.content[{n}]") for n, part in enumerate(content)]
        if role == "assistant":
            self._begin_turn()
            self._open.extend(TextPart(text) for text in parts)
            return
        self.finish()
        self._messages.append(Message(_ROLES[role], tuple(TextPart(text) for text in parts)))

    def _add_thought(self, item: Item) -> None:
        whole = "".join(part.text or "" for part in item.content or ())
        text = whole or "\n\n".join(part.text or "" for part in item.summary or ())
        if text:
            self._begin_turn()
            self._open.append(ReasoningPart(text))

    def _add_call(self, item: Item, where: str) -> None:
        id = _required(item.call_id, f"{where}.call_id")
        name = _required(item.name, f"{where}.name")
        arguments = _required(item.arguments, f"{where}.arguments") or "{}"
        call = ToolCallPart(id, name, arguments)
        if item.status == "incomplete":
            # Cut off by `max_output_tokens`: there is no such call unless somebody answers it.
            self._cut_off[id] = call
            return
        self._names[id] = name
        self._open.append(call)

    def _add_result(self, item: Item, where: str) -> None:
        id = _required(item.call_id, f"{where}.call_id")
        output = _required(item.output, f"{where}.output")
        if (call := self._cut_off.pop(id, None)) is not None:
            self._names[id] = call.name
            self._open.append(call)
        if id not in self._names:
            raise InvalidRequest(
                f"`{where}` answers the call {id[:80]!r}, which does not come before it.",
                hint="Send the `function_call` item too, or continue its response by "
                "`previous_response_id`.",
                param=f"{where}.call_id",
            )
        text = "".join(_text(part, f"{where}.output[{n}]") for n, part in enumerate(output))
        self.finish()
        self._messages.append(Message("tool", (ToolResultPart(id, text, self._names[id]),)))

    def _begin_turn(self) -> None:
        """A text or thought belongs to the open turn only while that has nothing but thoughts."""
        if any(not isinstance(part, ReasoningPart) for part in self._open):
            self.finish()


def _required(value: T | None, where: str) -> T:
    if value is None:
        raise InvalidRequest(
            f"`{where}` is required.", hint="/docs describes the items.", param=where
        )
    return value


def _text(part: ContentPart, where: str) -> str:
    if part.type in _TEXTS:
        return _required(part.text, f"{where}.text")
    if part.type == "refusal":
        return _required(part.refusal, f"{where}.refusal")
    if sense := _SENSES.get(part.type):
        raise CapabilityMissing(
            f"This model reads text only, but `{where}` is of the type {part.type}.",
            hint=f"Leave it out, or ask a model that takes {sense}.",
            param=where,
        )
    raise InvalidRequest(
        f"`{where}.type` should be input_text, not {part.type[:40]!r}.",
        hint="Content is a string, or a list of parts of the type input_text; what the assistant "
        "said has the type output_text.",
        param=f"{where}.type",
    )


def _fields(item: Item, kind: str) -> dict[str, Any]:
    """What an item of `kind` has besides id and type."""
    status = item.status or "completed"
    match kind:
        case "message":
            content = [_listed_part(part, item.role) for part in item.content or ()]
            return {"status": status, "role": item.role, "content": content}
        case "function_call":
            call = {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
            return {"status": status, **call}
        case "function_call_output":
            parts = [_listed_part(part, None) for part in item.output or ()]
            text = parts[0].get("text") if len(parts) == 1 else None
            return {
                "status": status,
                "call_id": item.call_id,
                "output": parts if text is None else text,
            }
        case _:
            return {
                "status": status,
                "summary": [part.model_dump(exclude_none=True) for part in item.summary or ()],
                "content": [part.model_dump(exclude_none=True) for part in item.content or ()],
            }


def _listed_part(part: ContentPart, role: str | None) -> dict[str, Any]:
    if part.type == "refusal" and role is not None:
        return {"type": "refusal", "refusal": part.refusal}
    if role == "assistant":
        return {"type": "output_text", "text": part.text, "annotations": list[Any]()}
    return {"type": "input_text", "text": part.refusal if part.text is None else part.text}
