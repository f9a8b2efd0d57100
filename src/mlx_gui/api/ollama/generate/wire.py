"""The JSON of `/api/generate`."""

from typing import Any

from mlx_gui.api.ollama.wire import Answer, Question


class OllamaGenerateRequest(Question):
    """A prompt to answer, or with `raw` to continue as it is. Without a prompt the model is loaded,
    or with `keep_alive` 0 unloaded.

    `template` is a Jinja chat template. With `suffix` a gap between prompt and suffix is filled, by
    models that can. `images` and a `context` that is not empty are refused.
    """

    prompt: str | None = None
    system: str | None = None
    raw: bool | None = None
    template: str | None = None
    suffix: str | None = None
    images: list[Any] | None = None
    context: list[int] | None = None


class OllamaGenerateAnswer(Answer):
    """A line of a streamed answer, or the whole."""

    response: str
    thinking: str | None = None
