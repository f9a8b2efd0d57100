"""What `/v1/responses` takes. Fields that are not named here are ignored."""

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import (
    MAX_MEMBERS,
    MAX_TOOLS,
    MAX_TOP_LOGPROBS,
    AtMost,
    Between,
    Strict,
    text_or_list,
    type_in,
)
from mlx_gui.api.openai.custom import Syntax
from mlx_gui.api.openai.wire import SamplingFields, TokenCount
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


def _text_part(text: str) -> object:
    return {"type": "input_text", "text": text}


def _as_items(value: object) -> object:
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError("input_type", "Input should be a string or a list of items")


def _as_choice(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


TEXT_PARTS = frozenset({"input_text", "output_text", "reasoning_text", "summary_text", "text"})
PICTURE_PARTS = frozenset({"input_image", "computer_screenshot"})
_PARTS = TEXT_PARTS | {"refusal"}
ITEM_TYPES = (
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "reasoning",
    "item_reference",
)
TOOL_TYPES = ("function", "custom", "namespace")


class ContentPart(Strict):
    """A piece of an item; `text` belongs to all types but `refusal`.

    A picture is of the type `input_image`, with its address or data URL as `image_url`. Of other
    types than those, nothing but a `text` is read.
    """

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: Any = None
    detail: Any = None

    @model_validator(mode="before")
    @classmethod
    def _read_little_of_others(cls, value: object) -> object:
        """Parts of the future have fields of their own."""
        type_ = type_in(value)
        if type_ is None or type_ in _PARTS:
            return value
        fields = cast(dict[str, Any], value)
        text = fields.get("text")
        picture: dict[str, Any] = {}
        if type_ in PICTURE_PARTS:
            # What is wrong in it is said where a model sees it.
            picture = {"image_url": fields.get("image_url"), "detail": fields.get("detail")}
        return {"type": type_, "text": text if isinstance(text, str) else None, **picture}


_Parts = Annotated[list[ContentPart], AtMost(MAX_MEMBERS)]
Content = Annotated[
    _Parts,
    BeforeValidator(text_or_list(_text_part, of="parts"), json_schema_input_type=str | _Parts),
]


class Item(Strict):
    """A piece of a conversation, of one of these types.

    `message`, which may be left out: `role` and `content`. `function_call`: `call_id`, `name`,
    `arguments`, `namespace`. `custom_tool_call`: the same with `input` for `arguments`.
    `function_call_output`, `custom_tool_call_output`: `call_id`, `output`. `reasoning`: `content`,
    `summary`. `item_reference`: the `id` of an item of a stored response. Others are not read:
    what they say in texts is kept, the rest left out.
    """

    type: str | None = None
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: Content | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    namespace: str | None = None
    input: str | None = None
    output: Content | None = None
    summary: Annotated[list[ContentPart], AtMost(MAX_MEMBERS)] | None = None
    other: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_others_whole(cls, value: object) -> object:
        """Items of the future have fields of their own: such a one is `other`, as it came."""
        type_ = type_in(value)
        if type_ is None or type_ in ITEM_TYPES:
            return value
        whole = cast(dict[str, Any], value)
        given = {name: whole.get(name) for name in ("id", "call_id")}
        texts = {name: text for name, text in given.items() if isinstance(text, str)}
        return {"type": type_, "other": whole, **texts}


Items = Annotated[list[Item], Field(min_length=1), AtMost(MAX_MEMBERS)]
Input = Annotated[Items, BeforeValidator(_as_items, json_schema_input_type=str | Items)]


ITEMS = TypeAdapter(list[Item])


class CustomFormat(Strict):
    """What a custom tool takes: any `text`, or one of a `grammar`."""

    type: Literal["text", "grammar"]
    syntax: Syntax | None = None
    definition: str | None = None


class InnerTool(Strict):
    """A tool in a namespace: a `function`, or a `custom` one, which takes text."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    format: CustomFormat | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_no_others(cls, value: object) -> object:
        """Tools of OpenAI's own have fields of their own; they are left out anyway."""
        type_ = type_in(value)
        return value if type_ is None or type_ in TOOL_TYPES else {"type": type_}


class ToolField(InnerTool):
    """A tool: a `function`, a `custom` one, or a `namespace` with `tools` of these types.

    Others, which only OpenAI's own servers have, are left out.
    """

    tools: Annotated[list[InnerTool], Field(max_length=MAX_TOOLS)] | None = None


class AllowedTool(Strict):
    """A tool by its name, which may need its `namespace`; or a whole namespace by its name."""

    type: str
    name: str | None = None
    namespace: str | None = None


class ToolChoiceField(Strict):
    """Which tool must be called: a `function` or `custom` one by its `name`, or `allowed_tools`."""

    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: Annotated[list[AllowedTool], AtMost(MAX_MEMBERS)] | None = None


Choice = Annotated[
    ToolChoiceField,
    BeforeValidator(
        _as_choice, json_schema_input_type=Literal["auto", "none", "required"] | ToolChoiceField
    ),
]


class TextFormat(Strict):
    """`text`, `json_object`, or `json_schema` with its `schema`, which `json_object` takes too."""

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
    tools: Annotated[list[ToolField], Field(max_length=MAX_TOOLS)] | None = None
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
    top_logprobs: Annotated[int, Between(0, MAX_TOP_LOGPROBS)] | None = None
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
