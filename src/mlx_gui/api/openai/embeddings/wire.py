"""The JSON of `/v1/embeddings`. Unknown fields are ignored."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from mlx_gui.api.fields import Between, Strict
from mlx_gui.api.openai.wire import TextsOrIds, Truncate, texts_or_ids
from mlx_gui.api.priority import Priority

MAX_INPUTS = 16_384
"""OpenAI takes 2,048; whoever fills an index from here has no other server to spread it over."""
MAX_NAME = 200
MAX_DIMENSIONS = 65_536

Inputs = Annotated[
    TextsOrIds,
    BeforeValidator(
        texts_or_ids(MAX_INPUTS, of="input"), json_schema_input_type=str | list[int] | TextsOrIds
    ),
]


class EmbeddingsRequest(Strict):
    """Texts, or token ids, to make vectors of. Up to 16,384 in one request.

    `dimensions` asks for shorter vectors than the model makes; `base64` is of their 32-bit floats,
    the lowest byte first. `prompt_name` is one of the model's prompts, which is read before each
    text; `input_type` names it in the words of other servers (`query`, `document`, `passage`,
    `search_query`, …) and is left out where the model has none for it. With `truncate` the end of
    too long a text is left out, else it is an error, unless the model's settings say otherwise.
    """

    model: str
    input: Inputs
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Between(1, MAX_DIMENSIONS)] | None = None
    prompt_name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)] | None = None
    input_type: Annotated[str, Field(min_length=1, max_length=MAX_NAME)] | None = None
    truncate: Truncate = None
    priority: Priority | None = None


class Embedding(BaseModel):
    """The vector of the input number `index`."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    """One vector for each input, in the order of these."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
