"""The JSON of `/api/generate`."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from mlx_gui.api.fields import MAX_MEMBERS, AtMost
from mlx_gui.api.ollama.wire import Answer, Question, whole_numbers

_MOST_TOKENS = 1 << 20
_TokenId = Annotated[int, Field(ge=0, lt=1 << 31)]
Context = Annotated[list[_TokenId], Field(max_length=_MOST_TOKENS), BeforeValidator(whole_numbers)]


class OllamaGenerateRequest(Question):
    """A prompt to answer, or with `raw` to continue as it is. Without a prompt the model is loaded,
    or with `keep_alive` 0 unloaded.

    `template` is a Jinja chat template. `context` are the tokens of an earlier answer, which the
    prompt follows on. With `suffix` a gap between prompt and suffix is filled, by models that can.
    `images` are for models that see, each the base64 of a file.
    """

    prompt: str | None = None
    system: str | None = None
    raw: bool | None = None
    template: str | None = None
    suffix: str | None = None
    images: Annotated[list[Any], AtMost(MAX_MEMBERS)] | None = None
    context: Context | None = None


class OllamaGenerateAnswer(Answer):
    """A line of a streamed answer, or the whole. The last one has the tokens of prompt and answer
    as `context`, unless the prompt was `raw`."""

    response: str
    thinking: str | None = None
    context: list[int] | None = None
