"""The JSON of `/api/embed` and of the older `/api/embeddings`. Unknown fields are ignored."""

from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import Between, NonEmpty, Strict
from mlx_gui.api.ollama.wire import KeepAlive, whole
from mlx_gui.api.validation import EXPLAINED

MAX_INPUTS = 16_384
MAX_DIMENSIONS = 65_536


def _as_texts(value: object) -> list[str]:
    """A list; a text without anything in it is none, as nothing at all is."""
    if value is None or value == "":
        return []
    texts: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    if len(texts) > MAX_INPUTS:
        raise PydanticCustomError(
            EXPLAINED,
            "Input should have at most {most} texts, not {count}",
            {"most": MAX_INPUTS, "count": len(texts)},
        )
    if not all(isinstance(each, str) for each in texts):
        raise PydanticCustomError("texts_type", "Input should be a text or a list of texts")
    return texts


class OllamaEmbedRequest(Strict):
    """A text, or a list of up to 16,384, to make vectors of. Without any the model is loaded.

    The end of a text that is longer than the model reads is left out, unless `truncate` is off.
    `keep_alive` is how long the model stays loaded: seconds, or a duration. `options` change
    nothing.
    """

    model: NonEmpty
    input: Annotated[
        list[str] | None, BeforeValidator(_as_texts, json_schema_input_type=str | list[str] | None)
    ] = None
    truncate: bool | None = None
    dimensions: Annotated[int, Between(0, MAX_DIMENSIONS), BeforeValidator(whole)] | None = None
    keep_alive: KeepAlive = None
    options: dict[str, Any] | None = None


class OllamaEmbedAnswer(BaseModel):
    """A vector of length 1 for each text. Durations are in nanoseconds."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int


class OllamaEmbeddingsRequest(Strict):
    """One text to make a vector of. Without any the model is loaded."""

    model: NonEmpty
    prompt: str | None = None
    keep_alive: KeepAlive = None
    options: dict[str, Any] | None = None


class OllamaEmbeddingsAnswer(BaseModel):
    """The vector; empty where no text was sent."""

    embedding: list[float]
