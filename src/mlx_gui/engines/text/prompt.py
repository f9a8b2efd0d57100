"""Requests become token ids: template, tokenise, check. Runs on the preparation thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from mlx_gui.core.errors import CapabilityMissing, ContextTooLong, InvalidRequest
from mlx_gui.core.generation import (
    Detokenized,
    DetokenizeRequest,
    GenerateRequest,
    ImagePart,
    Message,
    Tokenized,
    TokenizeRequest,
)
from mlx_gui.engines.base import PreparedRequest
from mlx_gui.engines.text.library import TokenizerWrapper
from mlx_gui.engines.text.loading import LoadedModel
from mlx_gui.engines.text.sampling import Choice, resolve
from mlx_gui.parsers.base import Text


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the engine takes in: ids that the model has, and an answer that fits the context."""

    ids: tuple[int, ...]
    max_tokens: int
    choice: Choice
    parser: Any = None
    boundaries: tuple[int, ...] = ()
    echo: str = ""


class _Plain:
    thinking = False

    def feed(self, text):
        return [Text("content", text)] if text else []

    def finish(self):
        return []


class Preparation:
    """Owns its tokenizer: the thread that detokenises has another."""

    def __init__(self, loaded: LoadedModel, spec) -> None:
        context = spec.context
        self._trimmable = loaded.trimmable
        self._tokenizer: TokenizerWrapper = loaded.preparation_tokenizer
        self._vocabulary = loaded.vocabulary
        self._generation_config: Mapping[str, Any] = loaded.generation_config
        self._context = context

    def prepare(self, request_id: str, request: GenerateRequest) -> PreparedRequest:
        """The request as ids. Raises InvalidRequest or a kind of it."""
        if not request.messages and request.prompt is None:
            raise InvalidRequest(
                "There are no messages.", hint="Send at least one message.", param="messages"
            )
        if request.prompt is None:
            ids = self._tokenise([_plain(message) for message in request.messages])
        elif isinstance(request.prompt, str):
            ids = self._tokenizer.encode(request.prompt)
        else:
            ids = list(request.prompt)
        self._check(ids)
        room = self._context - len(ids)
        payload = Prompt(
            ids=tuple(ids),
            max_tokens=min(request.max_tokens or room, room),
            choice=resolve(request.sampling, self._generation_config),
            parser=_Plain,
            boundaries=() if self._trimmable else (len(ids) - 1,),
            echo=request.prompt if request.echo and isinstance(request.prompt, str) else "",
        )
        return PreparedRequest(request_id, request, len(ids), payload)

    def tokenize(self, request: TokenizeRequest) -> Tokenized:
        """The ids of a request's prompt, and what each reads as. Raises InvalidRequest."""
        asked = request.request
        match asked.prompt:
            case None:
                ids = self._tokenise([_plain(message) for message in asked.messages])
            case str(text):
                ids = self._tokenizer.encode(text, add_special_tokens=request.special)
            case given:
                ids = list(given)
                self._check_ids(ids)
        return Tokenized(tuple(ids), tuple(self._tokenizer.decode([id]) for id in ids))

    def detokenize(self, request: DetokenizeRequest) -> Detokenized:
        """The text of ids. Raises InvalidRequest for those that the model does not have."""
        self._check_ids(request.ids)
        return Detokenized(self._tokenizer.decode(list(request.ids)))

    def _tokenise(self, messages: list[dict[str, str]]) -> list[int]:
        try:
            if not self._tokenizer.has_chat_template:
                return self._tokenizer.encode(_without_template(messages))
            return self._tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        except TemplateError as error:
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {error.message or error}",
                hint="Change the roles or their order to what this model was trained with.",
                param="messages",
            ) from error

    def _check(self, ids: Sequence[int]) -> None:
        if not ids:
            raise InvalidRequest("The messages give an empty prompt.", param="messages")
        self._check_ids(ids)
        if len(ids) >= self._context:
            raise ContextTooLong(
                f"The prompt has {len(ids)} tokens, the context holds {self._context}.",
                hint="Shorten the conversation or load the model with a longer context.",
                details={"prompt_tokens": len(ids), "context_tokens": self._context},
            )

    def _check_ids(self, ids: Sequence[int]) -> None:
        """MLX reads beyond the embedding without a word, or ends the process."""
        for id in ids:
            if not 0 <= id < self._vocabulary:
                raise InvalidRequest(
                    f"There is no token {id}; the model has those below {self._vocabulary}.",
                    hint="Send ids of this model's own tokenizer; where none were sent, it does "
                    "not belong to the model's weights: install the model again.",
                )


def _plain(message: Message) -> dict[str, str]:
    """A message as templates take it: most want the content as one string."""
    if any(isinstance(part, ImagePart) for part in message.parts):
        raise CapabilityMissing(
            "This model reads text only, and a message holds a picture.",
            hint="Choose a model with the capability vision.",
        )
    plain = {"role": message.role, "content": message.text()}
    return plain if message.name is None else {**plain, "name": message.name}


def _without_template(messages: list[dict[str, str]]) -> str:
    """The format for base models, which have no template: one paragraph a turn.

    A model that only continues text continues this as the assistant's turn.
    """
    turns = [f"{message['role']}: {message['content']}" for message in messages]
    return "\n\n".join([*turns, "assistant:"])
