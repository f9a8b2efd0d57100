"""Items of a conversation ↔ core messages, nothing else."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

from mlx_gui.api.openai.custom import arguments_of
from mlx_gui.api.openai.picture_sources import source_of
from mlx_gui.api.openai.responses.offered import Offered
from mlx_gui.api.openai.responses.wire.request import (
    ITEM_TYPES,
    PICTURE_PARTS,
    TEXT_PARTS,
    ContentPart,
    Item,
)
from mlx_gui.api.pictures import PictureSource, Sense, Shown, behind_results, newest_user_turn
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

T = TypeVar("T")

_ROLES: dict[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}
_SENSES: dict[str, Sense] = {
    "input_image": "a picture",
    "input_audio": "sound",
    "input_video": "a video",
    "input_file": "a file",
    "computer_screenshot": "a picture",
}
_KNOWN = f"{', '.join(ITEM_TYPES[:-1])} and {ITEM_TYPES[-1]}"


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


def to_messages(
    earlier: Sequence[Item], own: Sequence[Item], *, offered: Offered, shown: Shown
) -> list[Message]:
    """The turns that `earlier` items of the conversation and the request's own amount to.

    What an assistant thought, said and called in one turn is one message. Items that are not known
    are noted as left out; what they say in texts is kept. Raises InvalidRequest, also where nothing
    else is asked, CapabilityMissing for what the user shows now and the model cannot take, and what
    `Shown.picture` raises.
    """
    if all(item.other is not None for item in own):
        where = f"input[{len(own) - 1}].type"
        raise InvalidRequest(
            f"`{where}` is {own[-1].type!r:.42}, which this server cannot read.",
            hint=f"Items are {_KNOWN}.",
            param=where,
        )
    turns = _Turns(offered, shown)
    newest = newest_user_turn([_speaker(item) for item in (*earlier, *own)])
    for index, item in enumerate(earlier):
        turns.add(item, where="previous_response_id", shown_now=index in newest)
    for index, item in enumerate(own):
        shown_now = len(earlier) + index in newest
        turns.add(item, where=f"input[{index}]", shown_now=shown_now)
    return list(behind_results(turns.finish()))


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

    def __init__(self, offered: Offered, shown: Shown) -> None:
        self._offered = offered
        self._shown = shown
        self._messages: list[Message] = []
        self._open: list[Part] = []
        self._names: dict[str, str] = {}
        self._cut_off: dict[str, ToolCallPart] = {}
        self._others: dict[str, str] = {}

    def add(self, item: Item, *, where: str, shown_now: bool) -> None:
        """The next item; `shown_now` says whether it is in the user's newest turn."""
        match kind_of(item, where=where):
            case "message":
                self._add_message(item, where, shown_now)
            case "function_call" | "custom_tool_call":
                self._add_call(item, where)
            case "function_call_output" | "custom_tool_call_output":
                self._add_result(item, where)
            case "reasoning":
                self._add_thought(item)
            case kind:
                self._add_other(item, kind)

    def finish(self) -> list[Message]:
        if self._open:
            self._messages.append(Message("assistant", tuple(self._open)))
            self._open = []
        return self._messages

    def _add_message(self, item: Item, where: str, shown_now: bool) -> None:
        role = _required(item.role, f"{where}.role")
        content = _required(item.content, f"{where}.content")
        now = shown_now and role == "user"
        parts = [
            self._part(part, f"{where}.content[{n}]", shown_now=now)
            for n, part in enumerate(content)
        ]
        if role == "assistant":
            self._begin_turn()
            self._open.extend(parts)
            return
        self.finish()
        self._messages.append(Message(_ROLES[role], tuple(parts)))

    def _add_thought(self, item: Item) -> None:
        whole = "".join(part.text or "" for part in item.content or ())
        text = whole or "\n\n".join(part.text or "" for part in item.summary or ())
        if text:
            self._begin_turn()
            self._open.append(ReasoningPart(text))

    def _add_call(self, item: Item, where: str) -> None:
        id = _required(item.call_id, f"{where}.call_id")
        name = self._offered.shown(_required(item.name, f"{where}.name"), item.namespace)
        if item.type == "custom_tool_call":
            arguments = arguments_of(_required(item.input, f"{where}.input"))
        else:
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
        text, pictures = self._result(output, where)
        if (call := self._cut_off.pop(id, None)) is not None:
            self._names[id] = call.name
            self._open.append(call)
        if id in self._names:
            self.finish()
            told = ToolResultPart(id, text, self._names[id])
            self._messages.append(Message("tool", (told, *pictures)))
        elif id in self._others:
            self._note(self._others[id], text)
        else:
            raise InvalidRequest(
                f"`{where}` answers the call {id[:80]!r}, which does not come before it.",
                hint="Send the `function_call` item too, or continue its response by "
                "`previous_response_id`.",
                param=f"{where}.call_id",
            )

    def _result(self, output: Sequence[ContentPart], where: str) -> tuple[str, list[ImagePart]]:
        """What a tool gave back: its text, and the pictures that this names."""
        text, pictures = "", list[ImagePart]()
        for number, part in enumerate(output):
            place = f"{where}.output[{number}]"
            if part.type in PICTURE_PARTS and self._shown.sees:
                named, picture = self._shown.picture_of_result(_source(part, place))
                text += named.text
                pictures.append(picture)
            else:
                text += self._text(part, place, shown_now=False)
        return text, pictures

    def _add_other(self, item: Item, kind: str) -> None:
        """An item of a tool that is not here, or of the future: what it says in texts."""
        self._shown.notices.leave_out([kind])
        if item.call_id is not None:
            self._others[item.call_id] = kind
        whole = item.other or {}
        text = "\n".join((*_texts_in(whole.get("content")), *_texts_in(whole.get("output"))))
        role = _ROLES.get(str(whole.get("role")), "assistant")
        if not text:
            return
        if role == "assistant":
            self._note(kind, text)
        else:
            self.finish()
            self._messages.append(Message(role, (TextPart(text),)))

    def _note(self, kind: str, text: str) -> None:
        self._begin_turn()
        self._open.append(TextPart(f"[{kind}: {text}]"))

    def _begin_turn(self) -> None:
        """A text or thought belongs to the open turn only while that has nothing but thoughts."""
        if any(not isinstance(part, ReasoningPart) for part in self._open):
            self.finish()

    def _part(self, part: ContentPart, where: str, *, shown_now: bool) -> TextPart | ImagePart:
        if part.type in PICTURE_PARTS and self._shown.sees:
            return self._shown.picture(_source(part, where))
        return TextPart(self._text(part, where, shown_now=shown_now))

    def _text(self, part: ContentPart, where: str, *, shown_now: bool) -> str:
        if part.type in TEXT_PARTS:
            return _required(part.text, f"{where}.text")
        if part.type == "refusal":
            return _required(part.refusal, f"{where}.refusal")
        if sense := _SENSES.get(part.type):
            return self._shown.unreadable(sense, type_=part.type, where=where, shown_now=shown_now)
        if shown_now:
            raise InvalidRequest(
                f"`{where}.type` should be input_text, not {part.type[:40]!r}.",
                hint="Content is a string, or a list of parts of the type input_text; what the "
                "assistant said has the type output_text.",
                param=f"{where}.type",
            )
        self._shown.notices.leave_out([part.type])
        return part.text or ""


def _source(part: ContentPart, where: str) -> PictureSource:
    return source_of(part.image_url, part.detail, where=f"{where}.image_url")


def _speaker(item: Item) -> str:
    """Whose turn the item is in; what is not known is in nobody's."""
    if item.other is not None:
        return "system"
    return item.role or "assistant"


def _texts_in(value: object) -> Iterator[str]:
    """The texts of a string, or of a list of parts."""
    if isinstance(value, str):
        yield value
    for part in cast(list[Any], value) if isinstance(value, list) else ():
        text = cast(dict[str, Any], part).get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            yield text


def _required(value: T | None, where: str) -> T:
    if value is None:
        raise InvalidRequest(
            f"`{where}` is required.", hint="/docs describes the items.", param=where
        )
    return value


def _fields(item: Item, kind: str) -> dict[str, Any]:
    """What an item of `kind` has besides id and type."""
    status = item.status or "completed"
    if item.other is not None:
        return {name: value for name, value in item.other.items() if name not in ("id", "type")}
    match kind:
        case "message":
            content = [_listed_part(part, item.role) for part in item.content or ()]
            return {"status": status, "role": item.role, "content": content}
        case "function_call" | "custom_tool_call":
            namespace = {} if item.namespace is None else {"namespace": item.namespace}
            said = (
                {"arguments": item.arguments} if kind == "function_call" else {"input": item.input}
            )
            call = {"call_id": item.call_id, "name": item.name, **said, **namespace}
            return {"status": status, **call}
        case "function_call_output" | "custom_tool_call_output":
            parts = [_listed_part(part, None) for part in item.output or ()]
            alone = len(parts) == 1 and parts[0]["type"] == "input_text"
            output = parts[0]["text"] if alone else parts
            return {"status": status, "call_id": item.call_id, "output": output}
        case _:
            return {
                "status": status,
                "summary": [part.model_dump(exclude_none=True) for part in item.summary or ()],
                "content": [part.model_dump(exclude_none=True) for part in item.content or ()],
            }


def _listed_part(part: ContentPart, role: str | None) -> dict[str, Any]:
    if part.type == "refusal" and role is not None:
        return {"type": "refusal", "refusal": part.refusal}
    if part.type not in TEXT_PARTS and part.type != "refusal":
        # Of what is no picture nothing is kept: no model here could see or hear it.
        return part.model_dump(exclude_none=True)
    if role == "assistant":
        return {"type": "output_text", "text": part.text, "annotations": list[Any]()}
    return {"type": "input_text", "text": part.refusal if part.text is None else part.text}
