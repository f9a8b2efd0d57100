"""The JSON of `/v1/completions`. Unknown fields are ignored."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from mlx_gui.api.fields import Between
from mlx_gui.api.openai.wire import (
    MAX_TOKENS,
    CompletionUsage,
    GenerationFields,
    TextsOrIds,
    texts_or_ids,
)

MAX_PROMPTS = 128
MAX_TOP_LOGPROBS = 5
DEFAULT_MAX_TOKENS = 16


Prompts = Annotated[
    TextsOrIds,
    BeforeValidator(
        texts_or_ids(MAX_PROMPTS, of="prompt"), json_schema_input_type=str | list[int] | TextsOrIds
    ),
]


class CompletionRequest(GenerationFields):
    """Text, or token ids, to continue as they are. Up to 128 prompts, each answered `n` times.

    `max_tokens` is 16 unless it is given; with `echo` it may be 0. With `echo` and `logprobs` the
    prompt's tokens have log-probabilities too. `best_of` may only repeat `n`. With `suffix` the
    answer fills the gap before it, which not all models can.
    """

    model: str
    prompt: Prompts
    max_tokens: Annotated[int, Field(ge=0, le=MAX_TOKENS)] | None = None
    logprobs: Annotated[int, Between(0, MAX_TOP_LOGPROBS)] | None = None
    echo: bool | None = None
    best_of: int | None = None
    suffix: str | None = None


CompletionEnd = Literal["stop", "length", "content_filter"]


class CompletionLogprobs(BaseModel):
    """By token: its text, its log-probability, the likeliest, and where it begins in the text.

    A prompt's first token has neither a log-probability nor others that were likely.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CompletionChoice(BaseModel):
    """One answer; the first `n` are those to the first prompt."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: CompletionEnd | None


class Completion(BaseModel):
    """A whole answer, or a chunk of one that is streamed."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: CompletionUsage | None = None
