"""Questions to a model, and its answers piece by piece or whole."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self, cast

import httpx
import msgspec

from mlx_gui.client.connection import Connection
from mlx_gui.client.encoding import check_numbers, encoded
from mlx_gui.client.reaching import ServerUnreachable, error_of, reaching
from mlx_gui.client.sse import parse_sse
from mlx_gui.wire.errors import ErrorDetail


class ChatMessage(msgspec.Struct, frozen=True):
    """One turn of a conversation; its content is text, or parts as the API has them."""

    role: Literal["system", "user", "assistant"]
    content: str | list[dict[str, Any]]


def asking(text: str, pictures: Sequence[str] = ()) -> ChatMessage:
    """What the user asks about `pictures`, which are data URLs."""
    if not pictures:
        return ChatMessage("user", text)
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": url}} for url in pictures
    ]
    if text:
        parts.append({"type": "text", "text": text})
    return ChatMessage("user", parts)


class ChatUsage(msgspec.Struct, frozen=True):
    """The tokens of one answer."""

    prompt_tokens: int
    completion_tokens: int


class AnswerOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an answer is wanted, by the API's own names; None leaves it to the model."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    enable_thinking: bool | None = None
    reasoning_effort: str | None = None
    response_format: dict[str, Any] | None = None


AS_THE_MODEL = AnswerOptions()


class AnswerPiece(msgspec.Struct, frozen=True):
    """More text of an answer, or of the thought before it."""

    text: str
    thought: bool = False


class ChatStream:
    """One answer, piece by piece.

    `usage` and `finish_reason` are there once the iteration has ended. `close` at any moment
    cancels the answer on the server.
    """

    def __init__(self, response: httpx.Response, address: str) -> None:
        self.usage: ChatUsage | None = None
        self.finish_reason: str | None = None
        self._response = response
        self._address = address

    def __iter__(self) -> Iterator[AnswerPiece]:
        with reaching(self._address):
            for _, data in parse_sse(self._response.iter_bytes()):
                if data == b"[DONE]":
                    return
                chunk = msgspec.json.decode(data, type=_Chunk)
                if chunk.error is not None:
                    raise error_of(ErrorDetail.model_validate(chunk.error))
                self.usage = chunk.usage or self.usage
                for choice in chunk.choices:
                    self.finish_reason = choice.finish_reason or self.finish_reason
                    if choice.delta.reasoning_content:
                        yield AnswerPiece(choice.delta.reasoning_content, thought=True)
                    if text := choice.delta.content or choice.text:
                        yield AnswerPiece(text)
        raise ServerUnreachable("The server ended the connection before the answer was complete.")

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AnswerCalls(Connection):
    """What a model is asked to write."""

    def chat(
        self, model: str, messages: Sequence[ChatMessage], options: AnswerOptions = AS_THE_MODEL
    ) -> ChatStream:
        """The answer to a conversation as it is written."""
        return self._stream("/v1/chat/completions", model, options, messages=messages)

    def complete(
        self, model: str, prompt: str, options: AnswerOptions = AS_THE_MODEL
    ) -> ChatStream:
        """What follows on `prompt`, which no chat template touches, as it is written."""
        return self._stream("/v1/completions", model, options, prompt=prompt)

    def whole_chat(
        self, model: str, messages: Sequence[ChatMessage], options: AnswerOptions = AS_THE_MODEL
    ) -> dict[str, Any]:
        """The whole answer as the API's own object."""
        return self._whole(
            "/v1/chat/completions", _question(model, options, {"messages": messages})
        )

    def whole_completion(
        self, model: str, prompt: str, options: AnswerOptions = AS_THE_MODEL
    ) -> dict[str, Any]:
        """What follows on `prompt`, as the API's own object."""
        return self._whole("/v1/completions", _question(model, options, {"prompt": prompt}))

    def _stream(self, path: str, model: str, options: AnswerOptions, **asked: Any) -> ChatStream:
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        response = self._open("POST", path, _question(model, options, asked | streamed))
        return ChatStream(response, self.address)


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()
    text: str = ""
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: tuple[_Choice, ...] = ()
    usage: ChatUsage | None = None
    error: dict[str, Any] | None = None


def _question(model: str, options: AnswerOptions, asked: Mapping[str, Any]) -> bytes:
    wanted = cast("dict[str, Any]", msgspec.to_builtins(options))
    check_numbers(wanted)
    return encoded({"model": model, **asked, **wanted})
