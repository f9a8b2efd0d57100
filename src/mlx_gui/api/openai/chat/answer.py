"""Core's events → OpenAI's chat JSON, whole or in chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from mlx_gui.api.answers import GatheredCall, GatheredChoice, Gathering, answered
from mlx_gui.api.openai.chat.wire import (
    AnswerEnd,
    AnswerMessage,
    ChatCompletion,
    ChatCompletionRequest,
    Choice,
    CustomBody,
    CustomCallBody,
    FunctionCallBody,
    LogprobsBody,
    TokenChanceBody,
    TokenLogprobBody,
    ToolCallBody,
)
from mlx_gui.api.openai.custom import InputText, input_of
from mlx_gui.api.openai.translate import (
    STREAM_END,
    AnswerHead,
    completion_usage,
    includes_usage,
)
from mlx_gui.api.sse import frame
from mlx_gui.core.errors import from_info
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Event,
    Failed,
    FinishReason,
    Prepared,
    TokenChance,
    TokenLogprob,
    Usage,
)


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What of an answer is shown, and how; `legacy_calls` are those of `functions`.

    `custom` are the names of the tools that take text.
    """

    n: int = 1
    logprobs: bool = False
    reasoning: bool = True
    legacy_calls: bool = False
    include_usage: bool = False
    custom: frozenset[str] = frozenset()


def form_of(body: ChatCompletionRequest) -> AnswerForm:
    """How `body` wants its answer."""
    hidden = body.reasoning_format == "hidden" or body.include_reasoning is False
    return AnswerForm(
        n=body.n or 1,
        logprobs=bool(body.logprobs),
        reasoning=not hidden,
        legacy_calls=body.functions is not None,
        include_usage=includes_usage(body),
        custom=frozenset(tool.custom.name for tool in body.tools or () if tool.custom),
    )


def chat_completion(head: AnswerHead, form: AnswerForm, answer: Gathering) -> ChatCompletion:
    """The whole answer. Raises WorkerFailed when events are missing."""
    choices, usage = answer.complete()
    return ChatCompletion(
        id=head.id,
        created=head.created,
        model=head.model,
        choices=[_choice(form, index, choice) for index, choice in enumerate(choices)],
        usage=completion_usage(usage, answer.prepared),
        system_fingerprint=head.system_fingerprint,
    )


class ChunkEncoder:
    """Turns events into the frames of a streamed answer, as they come."""

    def __init__(self, head: AnswerHead, form: AnswerForm) -> None:
        self._form = form
        self._prepared = Prepared(0)
        self._inputs: dict[tuple[int, int], InputText] = {}
        self._common: dict[str, Any] = {
            "id": head.id,
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
            "system_fingerprint": head.system_fingerprint,
        }

    def encode(self, event: Event) -> bytes:
        """The frames that say `event`, none for most. Raises what a Failed carries."""
        match event:
            case Prepared():
                self._prepared = event
                first = {"role": "assistant", "content": ""}
                return b"".join(self._chunk(index, first) for index in range(self._form.n))
            case Delta():
                return self._delta(event)
            case CallStarted():
                return self._chunk(event.index, self._call_began(event))
            case Done(index=index, finish_reason=reason):
                end = _end(self._form, reason)
                return self._rests(index) + self._chunk(index, {}, end=end)
            case Usage():
                return self._last(event)
            case Failed(error=info):
                raise from_info(info)
            case _:
                return b""

    def _delta(self, delta: Delta) -> bytes:
        match delta.channel:
            case "content":
                if not delta.text and not delta.logprobs:
                    return b""
                logprobs = _logprobs(delta.logprobs) if self._form.logprobs else None
                return self._chunk(delta.index, {"content": delta.text}, logprobs=logprobs)
            case "reasoning":
                if not delta.text or not self._form.reasoning:
                    return b""
                return self._chunk(delta.index, {"reasoning_content": delta.text})
            case "tool_call" if (text := self._inputs.get((delta.index, delta.call))) is not None:
                return self._custom(delta.index, delta.call, text.feed(delta.text))
            case "tool_call":
                function = {"arguments": delta.text}
                if self._form.legacy_calls:
                    return self._chunk(delta.index, {"function_call": function})
                call = {"index": delta.call, "function": function}
                return self._chunk(delta.index, {"tool_calls": [call]})

    def _custom(self, index: int, call: int, text: str) -> bytes:
        if not text:
            return b""
        return self._chunk(index, {"tool_calls": [{"index": call, "custom": {"input": text}}]})

    def _rests(self, index: int) -> bytes:
        """What the texts of custom tools end with."""
        ended = [place for place in self._inputs if place[0] == index]
        return b"".join(self._custom(*place, self._inputs.pop(place).finish()) for place in ended)

    def _call_began(self, began: CallStarted) -> dict[str, Any]:
        if began.name in self._form.custom:
            self._inputs[began.index, began.call] = InputText()
            custom = {"name": began.name, "input": ""}
            call = {"index": began.call, "id": began.id, "type": "custom", "custom": custom}
            return {"tool_calls": [call]}
        function = {"name": began.name, "arguments": ""}
        if self._form.legacy_calls:
            return {"function_call": function}
        call = {"index": began.call, "id": began.id, "type": "function", "function": function}
        return {"tool_calls": [call]}

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        *,
        logprobs: LogprobsBody | None = None,
        end: AnswerEnd | None = None,
    ) -> bytes:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": logprobs and logprobs.model_dump(),
            "finish_reason": end,
        }
        usage = {"usage": None} if self._form.include_usage else {}
        return frame(msgspec.json.encode({**self._common, "choices": [choice], **usage}))

    def _last(self, usage: Usage) -> bytes:
        if not self._form.include_usage:
            return STREAM_END
        counts = completion_usage(usage, self._prepared).model_dump()
        chunk = {**self._common, "choices": list[Any](), "usage": counts}
        return frame(msgspec.json.encode(chunk)) + STREAM_END


def _choice(form: AnswerForm, index: int, choice: GatheredChoice) -> Choice:
    return Choice(
        index=index,
        message=_message(form, choice),
        logprobs=_logprobs(choice.logprobs) if form.logprobs else None,
        finish_reason=_end(form, cast(FinishReason, choice.finish_reason)),
    )


def _message(form: AnswerForm, choice: GatheredChoice) -> AnswerMessage:
    calls = choice.calls or None
    first = _function_call(calls[0]) if calls and form.legacy_calls else None
    return AnswerMessage(
        content=choice.text if choice.text or not calls else None,
        reasoning_content=(choice.reasoning or None) if form.reasoning else None,
        tool_calls=None if first or not calls else [_tool_call(form, call) for call in calls],
        function_call=first,
    )


def _tool_call(form: AnswerForm, call: GatheredCall) -> ToolCallBody | CustomCallBody:
    if call.name in form.custom:
        custom = CustomBody(name=call.name, input=input_of(call.arguments))
        return CustomCallBody(id=call.id, custom=custom)
    return ToolCallBody(id=call.id, function=_function_call(call))


def _function_call(call: GatheredCall) -> FunctionCallBody:
    return FunctionCallBody(name=call.name, arguments=call.arguments)


def _end(form: AnswerForm, reason: FinishReason) -> AnswerEnd:
    """Raises Cancelled or WorkerFailed for what is no good end."""
    if form.legacy_calls and reason == "tool_calls":
        return "function_call"
    return cast(AnswerEnd, answered(reason))


def _logprobs(tokens: Sequence[TokenLogprob]) -> LogprobsBody:
    return LogprobsBody(
        content=[
            TokenLogprobBody(
                **_chance(token.chosen).model_dump(),
                top_logprobs=[_chance(each) for each in token.top],
            )
            for token in tokens
        ]
    )


def _chance(chance: TokenChance) -> TokenChanceBody:
    return TokenChanceBody(token=chance.text, bytes=list(chance.bytes), logprob=chance.logprob)
