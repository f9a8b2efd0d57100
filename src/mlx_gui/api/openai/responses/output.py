"""The items of an output while they are written, and what a stream says of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from mlx_gui.api.openai.custom import InputText
from mlx_gui.api.openai.responses.offered import Origin
from mlx_gui.core.generation import CallStarted, Delta, TokenChance, TokenLogprob

StreamEvent = dict[str, Any]
"""An event of a stream, its sequence number still to come."""
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class OutputItem(ABC):
    """One item; `status` is `in_progress` until its end. `key` is the end of the response's id."""

    prefix: ClassVar[str]

    def __init__(self, index: int, key: str) -> None:
        self.status: ItemStatus = "in_progress"
        self._id = f"{self.prefix}_{key}_{index}"
        self._index = index
        self._text: str = ""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """The item as it is now."""

    @abstractmethod
    def begin(self) -> Sequence[StreamEvent]:
        """The events that announce it; before anything is added."""

    def add(self, delta: Delta) -> Sequence[StreamEvent]:
        """The events that say more text of it."""
        self._text += delta.text
        return (self._delta(delta),)

    def end(self, status: ItemStatus) -> Sequence[StreamEvent]:
        """The events that say it whole."""
        self.status = status
        return (*self._last(), self._item_event("done", self.as_dict()))

    @abstractmethod
    def _delta(self, delta: Delta) -> StreamEvent: ...

    @abstractmethod
    def _last(self) -> Sequence[StreamEvent]: ...

    def _event(self, name: str, /, **fields: Any) -> StreamEvent:
        place = {"item_id": self._id, "output_index": self._index}
        return {"type": f"response.{name}", **place, **fields}

    def _item_event(self, what: str, item: dict[str, Any]) -> StreamEvent:
        type_ = f"response.output_item.{what}"
        return {"type": type_, "output_index": self._index, "item": item}


class _PartItem(OutputItem):
    """An item whose content is one part."""

    event: ClassVar[str]

    def begin(self) -> Sequence[StreamEvent]:
        return (
            self._item_event("added", {**self.as_dict(), "content": list[Any]()}),
            self._event("content_part.added", content_index=0, part=self._part()),
        )

    @abstractmethod
    def _part(self) -> dict[str, Any]: ...

    def _delta(self, delta: Delta) -> StreamEvent:
        return self._event(f"{self.event}.delta", content_index=0, delta=delta.text)

    def _last(self) -> Sequence[StreamEvent]:
        return (
            self._event(f"{self.event}.done", content_index=0, text=self._text),
            self._event("content_part.done", content_index=0, part=self._part()),
        )


class MessageItem(_PartItem):
    """A text for the user."""

    prefix = "msg"
    event = "output_text"

    def __init__(self, index: int, key: str) -> None:
        super().__init__(index, key)
        self._logprobs: list[dict[str, Any]] = []

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": [self._part()],
        }

    def _part(self) -> dict[str, Any]:
        return {
            "type": "output_text",
            "text": self._text,
            "annotations": list[Any](),
            "logprobs": list(self._logprobs),
        }

    def _delta(self, delta: Delta) -> StreamEvent:
        logprobs = [_logprob(each) for each in delta.logprobs]
        self._logprobs += logprobs
        return {**super()._delta(delta), "logprobs": logprobs}

    def _last(self) -> Sequence[StreamEvent]:
        text, part = super()._last()
        return ({**text, "logprobs": list(self._logprobs)}, part)


class ReasoningItem(_PartItem):
    """A thought."""

    prefix = "rs"
    event = "reasoning_text"

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "reasoning",
            "status": self.status,
            "summary": list[Any](),
            "content": [self._part()],
        }

    def _part(self) -> dict[str, Any]:
        return {"type": "reasoning_text", "text": self._text}


class CallItem(OutputItem):
    """A call of a function, by the name that the client has for it."""

    prefix = "fc"

    def __init__(self, index: int, key: str, *, call_id: str, origin: Origin) -> None:
        super().__init__(index, key)
        self._call_id = call_id
        self._origin = origin

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "function_call",
            "status": self.status,
            **self._called(),
            "arguments": self._text,
        }

    def begin(self) -> Sequence[StreamEvent]:
        return (self._item_event("added", self.as_dict()),)

    def _called(self) -> dict[str, Any]:
        namespace = self._origin.namespace
        place = {} if namespace is None else {"namespace": namespace}
        return {"call_id": self._call_id, "name": self._origin.name, **place}

    def _delta(self, delta: Delta) -> StreamEvent:
        return self._event("function_call_arguments.delta", delta=delta.text)

    def _last(self) -> Sequence[StreamEvent]:
        fields = {"name": self._origin.name, "arguments": self._text}
        return (self._event("function_call_arguments.done", **fields),)


class CustomCallItem(CallItem):
    """A call of a custom tool: its text is unwrapped from the arguments as they come."""

    prefix = "ctc"

    def __init__(self, index: int, key: str, *, call_id: str, origin: Origin) -> None:
        super().__init__(index, key, call_id=call_id, origin=origin)
        self._input = InputText()

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "custom_tool_call",
            "status": self.status,
            **self._called(),
            "input": self._text,
        }

    def add(self, delta: Delta) -> Sequence[StreamEvent]:
        return self._said(self._input.feed(delta.text))

    def _last(self) -> Sequence[StreamEvent]:
        rest = self._said(self._input.finish())
        return (*rest, self._event("custom_tool_call_input.done", input=self._text))

    def _said(self, text: str) -> Sequence[StreamEvent]:
        if not text:
            return ()
        self._text += text
        return (self._event("custom_tool_call_input.delta", delta=text),)


def call_item(index: int, key: str, *, started: CallStarted, origin: Origin) -> CallItem:
    """The item of a call that begins."""
    kind = CustomCallItem if origin.custom else CallItem
    return kind(index, key, call_id=started.id, origin=origin)


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    return {**_chance(token.chosen), "top_logprobs": [_chance(each) for each in token.top]}


def _chance(chance: TokenChance) -> dict[str, Any]:
    return {"token": chance.text, "bytes": list(chance.bytes), "logprob": chance.logprob}
