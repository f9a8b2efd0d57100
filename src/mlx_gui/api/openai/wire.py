"""JSON that several endpoints of OpenAI's family share. Unknown fields are ignored."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import Between, Int64, NonEmpty, StopList, Strict, text_or_list
from mlx_gui.api.priority import Priority
from mlx_gui.api.validation import EXPLAINED

MAX_ANSWERS = 128
MAX_TOKENS = 2**31 - 1
MAX_TOKEN_ID = 2**31 - 1
MAX_CHOICES = 1024
TOOL_NAME = "^[a-zA-Z0-9_-]{1,64}$"


def _as_schema(value: object) -> object:
    if value is None or isinstance(value, str | dict):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError("schema_type", "Input should be a JSON schema")


def _as_truncate(value: object) -> object:
    """Whether to cut, also in the words of other servers."""
    match value:
        case None | bool():
            return value
        case "END" | "NONE":
            return value == "END"
        case _:
            raise PydanticCustomError("truncate", "Input should be true, false, 'END' or 'NONE'")


Truncate = Annotated[
    bool | None,
    BeforeValidator(_as_truncate, json_schema_input_type=bool | Literal["NONE", "END"] | None),
]


def texts_or_ids(most: int, *, of: str) -> Callable[[Any], list[Any]]:
    """Reads up to `most` texts or lists of token ids, each a thing called `of`.

    One alone is a list of one; a list that begins with a number is one of them.
    """

    def read(value: Any) -> list[Any]:
        return _texts_or_ids(value, most=most, of=of)

    return read


def _texts_or_ids(value: Any, *, most: int, of: str) -> list[Any]:
    if isinstance(value, str) or _begins_with_number(value):
        value = [value]
    if not isinstance(value, list):
        raise PydanticCustomError(
            "prompt_type", "Input should be a string, a list of token ids, or a list of these"
        )
    prompts = cast(list[Any], value)
    if not prompts:
        raise PydanticCustomError(EXPLAINED, "Input should have at least 1 {of}", {"of": of})
    if len(prompts) > most:
        raise PydanticCustomError(
            EXPLAINED,
            "Input should have at most {most} {of}s, not {count}",
            {"most": most, "of": of, "count": len(prompts)},
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


TextsOrIds = list[str | list[int]]
Stops = Annotated[
    StopList,
    BeforeValidator(text_or_list(str, of="strings"), json_schema_input_type=NonEmpty | StopList),
]
TokenCount = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
ToolName = Annotated[str, Field(pattern=TOOL_NAME)]
Choices = Annotated[list[NonEmpty], Field(min_length=1, max_length=MAX_CHOICES)]
SchemaOrText = Annotated[str | dict[str, Any], BeforeValidator(_as_schema)]


class StreamOptions(Strict):
    """`include_usage` asks for a last chunk with the token counts."""

    include_usage: bool | None = None


class SamplingFields(Strict):
    """How tokens are chosen, and when an answer ends."""

    temperature: Annotated[float, Between(0, 2)] | None = None
    top_p: Annotated[float, Between(0, 1)] | None = None
    top_k: Annotated[int, Between(-1, MAX_TOKEN_ID)] | None = None
    min_p: Annotated[float, Between(0, 1)] | None = None
    repetition_penalty: Annotated[float, Between(0.01, 10)] | None = None
    presence_penalty: Annotated[float, Between(-2, 2)] | None = None
    frequency_penalty: Annotated[float, Between(-2, 2)] | None = None
    logit_bias: dict[str, Annotated[float, Between(-100, 100)]] | None = None
    seed: Int64 | None = None
    stop: Stops | None = None


class AnswerFields(SamplingFields):
    """How many answers there are, and how they come."""

    n: Annotated[int, Between(1, MAX_ANSWERS)] | None = None
    ignore_eos: bool | None = None
    priority: Priority | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class NamedSchema(Strict):
    """A JSON schema for the answer. What of it cannot be enforced is refused if it is `strict`."""

    schema_: dict[str, Any] = Field(alias="schema")
    name: str | None = None
    strict: bool | None = None


class ResponseFormat(Strict):
    """The form of the answer; `json_schema` belongs to the type of that name.

    A `schema` beside a type of JSON is what llama.cpp takes.
    """

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class StructuredOutputs(Strict):
    """vLLM's way to ask for a form; exactly one of them."""

    json_: SchemaOrText | None = Field(default=None, alias="json")
    regex: NonEmpty | None = None
    choice: Choices | None = None
    grammar: NonEmpty | None = None
    json_object: bool | None = None


class FormatFields(Strict):
    """What the answer must match; one of these at most. `grammar` is Lark.

    `json_schema` is llama.cpp's.
    """

    response_format: ResponseFormat | None = None
    json_schema: SchemaOrText | None = None
    regex: NonEmpty | None = None
    grammar: NonEmpty | None = None
    guided_json: SchemaOrText | None = None
    guided_regex: NonEmpty | None = None
    guided_grammar: NonEmpty | None = None
    guided_choice: Choices | None = None
    structured_outputs: StructuredOutputs | None = None


class GenerationFields(AnswerFields, FormatFields):
    """What chat and raw completions can both be asked for."""


class PromptTokensDetails(BaseModel):
    """`cached_tokens` were reused, `image_tokens` stand for pictures; the oldest
    `truncated_messages` were dropped to make it fit."""

    cached_tokens: int
    image_tokens: int
    truncated_messages: int


class CompletionTokensDetails(BaseModel):
    """`reasoning_tokens` of the answer's tokens were thought."""

    reasoning_tokens: int


class CompletionUsage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails
