"""The JSON of `/v1/completions`. Unknown fields are ignored."""

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import Between
from mlx_gui.api.openai.wire import (
    MAX_TOKEN_ID,
    MAX_TOKENS,
    CompletionUsage,
    GenerationFields,
)
from mlx_gui.api.validation import EXPLAINED

MAX_PROMPTS = 128
MAX_TOP_LOGPROBS = 5
DEFAULT_MAX_TOKENS = 16


def _as_prompts(value: Any) -> list[Any]:
    """One prompt is a list of one; a list that begins with a number is one prompt."""
    if isinstance(value, str) or _begins_with_number(value):
        value = [value]
    if not isinstance(value, list):
        raise PydanticCustomError(
            "prompt_type", "Input should be a string, a list of token ids, or a list of these"
        )
    prompts = cast(list[Any], value)
    if not prompts:
        raise PydanticCustomError(EXPLAINED, "Input should have at least 1 prompt")
    if len(prompts) > MAX_PROMPTS:
        raise PydanticCustomError(
            EXPLAINED,
            "Input should have at most {most} prompts, not {count}",
            {"most": MAX_PROMPTS, "count": len(prompts)},
        )
    for number, prompt in enumerate(prompts):
        _check_prompt(prompt, number)
    return prompts


def _begins_with_number(value: Any) -> bool:
    return isinstance(value, list) and isinstance(next(iter(cast(list[Any], value)), ""), int)


def _check_prompt(prompt: Any, number: int) -> None:
    if not isinstance(prompt, str | list):
        raise PydanticCustomError(
            EXPLAINED,
            "Input should be text or token ids; number {number} is neither",
            {"number": number},
        )
    if prompt == []:
        raise PydanticCustomError(
            EXPLAINED, "Input should not be empty; number {number} is", {"number": number}
        )
    if isinstance(prompt, list) and not all(map(_is_token_id, cast(list[Any], prompt))):
        raise PydanticCustomError(
            EXPLAINED,
            "Input should have token ids between 0 and {highest}; number {number} has others",
            {"highest": MAX_TOKEN_ID, "number": number},
        )


def _is_token_id(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_TOKEN_ID


PromptList = list[str | list[int]]
Prompts = Annotated[
    PromptList,
    BeforeValidator(_as_prompts, json_schema_input_type=str | list[int] | PromptList),
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
