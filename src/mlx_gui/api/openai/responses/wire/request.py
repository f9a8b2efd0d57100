"""What `/v1/responses` takes. Fields that are not named here are ignored."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import Between
from mlx_gui.api.openai.wire import SamplingFields, Strict, TokenCount
from mlx_gui.api.priority import Priority
from mlx_gui.core.generation import Effort

MAX_METADATA = 16
Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]


def _as_parts(value: object) -> object:
    if isinstance(value, str):
        return [{"type": "input_text", "text": value}]
    if value is None or isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError("content_type", "Input should be a string or a list of parts")


def _as_items(value: object) -> object:
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError("input_type", "Input should be a string or a list of items")


def _as_choice(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


class ContentPart(Strict):
    """A piece of an item; `text` belongs to all types but `refusal`."""

    type: str
    text: str | None = None
    refusal: str | None = None


Content = Annotated[
    list[ContentPart], BeforeValidator(_as_parts, json_schema_input_type=str | list[ContentPart])
]


class Item(Strict):
    """A piece of a conversation, of one of these types.

    `message`, which may be left out: `role` and `content`. `function_call`: `call_id`, `name`,
    `arguments`. `function_call_output`: `call_id`, `output`. `reasoning`: `content`, `summary`.
    `item_reference`: the `id` of an item of a stored response.
    """

    type: str | None = None
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: Content | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: Content | None = None
    summary: list[ContentPart] | None = None


Items = Annotated[list[Item], Field(min_length=1)]
Input = Annotated[Items, BeforeValidator(_as_items, json_schema_input_type=str | Items)]


ITEMS = TypeAdapter(list[Item])


class ToolField(Strict):
    """A tool; only the type `function` can be served."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class AllowedTool(Strict):
    """A tool by its name."""

    type: str
    name: str | None = None


class ToolChoiceField(Strict):
    """Which tool must be called: a `function` by its `name`, or one of `allowed_tools`."""

    type: str
    name: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[AllowedTool] | None = None


Choice = Annotated[
    ToolChoiceField,
    BeforeValidator(
        _as_choice, json_schema_input_type=Literal["auto", "none", "required"] | ToolChoiceField
    ),
]


class TextFormat(Strict):
    """`text`, `json_object`, or `json_schema` with its `schema`."""

    type: str
    name: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextField(Strict):
    """`format` is enforced; `verbosity` is ignored."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningField(Strict):
    """`effort` none turns thinking off. Thoughts are shown in full, so `summary` is ignored."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class StreamOptions(Strict):
    """`include_obfuscation` is ignored: nothing is obfuscated."""

    include_obfuscation: bool | None = None


class InputFields(Strict):
    """What the model reads. `previous_response_id` puts a stored conversation before `input`.

    `enable_thinking` and `thinking_budget` are extensions.
    """

    model: str
    input: Input
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    tools: list[ToolField] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None
    text: TextField | None = None
    reasoning: ReasoningField | None = None
    enable_thinking: bool | None = None
    thinking_budget: Annotated[int, Field(ge=0)] | None = None
    truncation: Literal["auto", "disabled"] | None = None


class InputTokensRequest(InputFields):
    """What to count."""


class ResponseRequest(InputFields, SamplingFields):
    """What to answer.

    `store` false keeps nothing of it. `top_logprobs` above 0, or
    `include: ["message.output_text.logprobs"]`, asks for log-probabilities.
    """

    max_output_tokens: TokenCount | None = None
    top_logprobs: Annotated[int, Between(0, 20)] | None = None
    include: list[Include] | None = None
    background: bool | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: (
        Annotated[
            dict[
                Annotated[str, Field(max_length=64)],
                Annotated[str, Field(max_length=512)],
            ],
            Field(max_length=MAX_METADATA),
        ]
        | None
    ) = None
    priority: Priority | None = None
    max_tool_calls: int | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    user: str | None = None
