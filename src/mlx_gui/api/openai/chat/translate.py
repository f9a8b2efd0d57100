"""OpenAI's chat JSON ↔ core, nothing else."""

from dataclasses import dataclass
from typing import Any, cast

import msgspec

from mlx_gui.api.answers import Gathering, answered
from mlx_gui.api.openai.chat.wire import (
    AnswerEnd,
    AnswerMessage,
    ChatCompletion,
    ChatCompletionRequest,
    ChatMessage,
    Choice,
    CompletionUsage,
    ContentPart,
    PromptTokensDetails,
)
from mlx_gui.api.openai.errors import error_body
from mlx_gui.api.sse import frame
from mlx_gui.core.errors import CapabilityMissing, InvalidRequest, MlxGuiError, from_info
from mlx_gui.core.generation import (
    Delta,
    Done,
    Failed,
    GenerateRequest,
    GenerationEvent,
    Message,
    Prepared,
    Sampling,
    TextPart,
    Usage,
)

STREAM_END = frame(b"[DONE]")
_SENSES = {"image_url": "pictures", "input_audio": "sound", "file": "files"}


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What every chunk of an answer repeats; `created` is Unix time."""

    id: str
    created: int
    model: str


def to_core(body: ChatCompletionRequest, *, tenant: str) -> GenerateRequest:
    """The canonical request. Raises InvalidRequest, and CapabilityMissing for what is not text."""
    if (body.n or 1) > 1:
        raise InvalidRequest(
            f"`n` should be 1, not {body.n}: this server gives one answer a request.",
            hint="Send the request again for another answer.",
            param="n",
        )
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest(
            "`stream_options` is only allowed with `stream`.",
            hint="Set `stream` to true or leave `stream_options` out.",
            param="stream_options",
        )
    return GenerateRequest(
        messages=tuple(
            _message(message, where=f"messages[{index}]")
            for index, message in enumerate(body.messages)
        ),
        sampling=Sampling(temperature=body.temperature, top_p=body.top_p, seed=body.seed),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        stop=tuple(body.stop or ()),
        tenant=tenant,
    )


def chat_completion(head: AnswerHead, answer: Gathering) -> ChatCompletion:
    """The whole answer. Raises WorkerFailed when events are missing."""
    choices, usage = answer.complete()
    return ChatCompletion(
        id=head.id,
        created=head.created,
        model=head.model,
        choices=[
            Choice(
                index=index,
                message=AnswerMessage(content=choice.text),
                finish_reason=cast(AnswerEnd, choice.finish_reason),
            )
            for index, choice in enumerate(choices)
        ],
        usage=_usage(usage),
    )


class ChunkEncoder:
    """Turns events into the frames of a streamed answer, as they come."""

    def __init__(self, head: AnswerHead, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._common: dict[str, Any] = {
            "id": head.id,
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
        }

    def encode(self, event: GenerationEvent) -> bytes:
        """The frames that say `event`, none for most. Raises what a Failed carries."""
        match event:
            case Prepared():
                return self._choice({"role": "assistant", "content": ""})
            case Delta(text=text, channel="content"):
                return self._choice({"content": text})
            case Done(finish_reason=reason):
                return self._choice({}, end=cast(AnswerEnd, answered(reason)))
            case Usage():
                return self._last(event)
            case Failed(error=info):
                raise from_info(info)
            case _:
                return b""

    def _choice(self, delta: dict[str, str], *, end: AnswerEnd | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}
        usage = {"usage": None} if self._include_usage else {}
        return frame(msgspec.json.encode({**self._common, "choices": [choice], **usage}))

    def _last(self, usage: Usage) -> bytes:
        if not self._include_usage:
            return STREAM_END
        counts = _usage(usage).model_dump()
        chunk = {**self._common, "choices": list[Any](), "usage": counts}
        return frame(msgspec.json.encode(chunk)) + STREAM_END


def error_frames(error: MlxGuiError, request_id: str) -> bytes:
    """How a stream that has begun ends by `error`."""
    return frame(error_body(error, request_id)) + STREAM_END


def _message(message: ChatMessage, *, where: str) -> Message:
    if message.content is None and message.role != "assistant":
        raise InvalidRequest(
            f"`{where}.content` is required for the role {message.role}.",
            hint="Only an assistant's message may be without content.",
            param=f"{where}.content",
        )
    return Message(
        role="system" if message.role == "developer" else message.role,
        parts=tuple(
            _part(part, where=f"{where}.content[{index}]")
            for index, part in enumerate(message.content or ())
        ),
        name=message.name,
    )


def _part(part: ContentPart, *, where: str) -> TextPart:
    if part.type == "text":
        if part.text is None:
            raise InvalidRequest(f"`{where}.text` is required.", param=f"{where}.text")
        return TextPart(part.text)
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


def _usage(usage: Usage) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=usage.cached_tokens),
    )
