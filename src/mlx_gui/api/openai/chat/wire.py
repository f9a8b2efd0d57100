"""The JSON of `/v1/chat/completions`. Unknown fields are ignored."""

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import MAX_MEMBERS, MAX_TOP_LOGPROBS, AtMost, Between, Strict, text_or_list
from mlx_gui.api.openai.custom import Syntax
from mlx_gui.api.openai.wire import CompletionUsage, GenerationFields, TokenCount, ToolName
from mlx_gui.core.generation import Effort

MAX_TOOLS = 128
SOUND_TYPE = "input_audio"
PICTURE_TYPES = ("image_url", "image", "input_image")
_CHOICES = ("none", "auto", "required")
_LEGACY_CHOICES = ("none", "auto")


def _text_part(text: str) -> object:
    return {"type": "text", "text": text}


def _as_choice(value: object) -> object:
    if value in _CHOICES:
        return {"type": value}
    if value is None or isinstance(value, dict):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError(
        "choice_type", "Input should be 'none', 'auto', 'required' or an object"
    )


def _as_legacy_choice(value: object) -> object:
    if value in _LEGACY_CHOICES:
        return {"mode": value}
    if value is None or isinstance(value, dict):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError("choice_type", "Input should be 'none', 'auto' or an object")


class ContentPart(Strict):
    """A piece of a message; `text` belongs to the type `text`, `refusal` to its own.

    A picture is of the type `image_url`, and has its address or data URL there, or in an object
    with `url` and `detail`. A sound is of the type `input_audio`, an object with the base64 of a
    file as `data`. Of other types nothing but a `text` is read.
    """

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: Any = None
    detail: Any = None
    input_audio: Any = None

    @model_validator(mode="before")
    @classmethod
    def _read_little_of_others(cls, value: object) -> object:
        """Parts of the future have fields of their own."""
        type_ = cast(dict[str, Any], value).get("type") if isinstance(value, dict) else None
        if not isinstance(type_, str) or type_ in ("text", "refusal"):
            return cast(object, value)
        fields = cast(dict[str, Any], value)
        text = fields.get("text")
        picture: dict[str, Any] = {}
        if type_ in PICTURE_TYPES:
            # What is wrong in it is said where a model sees it.
            image = fields.get("image_url", fields.get("image"))
            picture = {"image_url": image, "detail": fields.get("detail")}
        elif type_ == SOUND_TYPE:
            picture = {"input_audio": fields.get("input_audio")}
        return {"type": type_, "text": text if isinstance(text, str) else None, **picture}


_Parts = Annotated[list[ContentPart], AtMost(MAX_MEMBERS)]
Content = Annotated[
    _Parts,
    BeforeValidator(text_or_list(_text_part, of="parts"), json_schema_input_type=str | _Parts),
]


class CalledFunction(Strict):
    """What was called; `arguments` is JSON as text."""

    name: str
    arguments: str


class CalledCustom(Strict):
    """The custom tool that was called, with its text."""

    name: str
    input: str


class CallInHistory(Strict):
    """A tool call of an earlier turn, as an answer has it, of the type `function` or `custom`."""

    id: str
    type: Literal["function", "custom"] = "function"
    function: CalledFunction | None = None
    custom: CalledCustom | None = None


class ChatMessage(Strict):
    """One turn. `developer` means `system`; only an assistant's turn may be without content.

    `reasoning_content`, or `reasoning`, is what the assistant thought. `function_call` and the role
    `function` are the older form of `tool_calls` and the role `tool`. A result without a
    `tool_call_id` answers the open call of its `name`, else the first one that is open.
    """

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content | None = None
    name: str | None = None
    tool_calls: Annotated[list[CallInHistory], AtMost(MAX_MEMBERS)] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class FunctionDefinition(Strict):
    """A function and the JSON schema of its arguments."""

    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CustomGrammar(Strict):
    """What the text of a custom tool matches."""

    syntax: Syntax
    definition: str


class CustomFormat(Strict):
    """What a custom tool takes: any `text`, or one of a `grammar`."""

    type: Literal["text", "grammar"]
    grammar: CustomGrammar | None = None


class CustomDefinition(Strict):
    """A tool that takes text instead of arguments."""

    name: ToolName
    description: str | None = None
    format: CustomFormat | None = None


class ToolDefinition(Strict):
    """A tool of the type `function` or `custom`, each with the field of that name."""

    type: str
    function: FunctionDefinition | None = None
    custom: CustomDefinition | None = None


class NamedFunction(Strict):
    """The name of one of the tools."""

    name: str


class ToolReference(Strict):
    """One of the tools."""

    type: Literal["function", "custom"] = "function"
    function: NamedFunction | None = None
    custom: NamedFunction | None = None


class AllowedTools(Strict):
    """The tools that may, or must, be called this time."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[ToolReference], Field(min_length=1), AtMost(MAX_MEMBERS)]


class ToolChoiceObject(Strict):
    """`function`, `custom` and `allowed_tools` belong to the types of these names."""

    type: Literal["none", "auto", "required", "function", "custom", "allowed_tools"]
    function: NamedFunction | None = None
    custom: NamedFunction | None = None
    allowed_tools: AllowedTools | None = None


class LegacyChoice(Strict):
    """The name of the function that must be called."""

    name: str | None = None
    mode: Literal["none", "auto"] | None = None


ToolChoiceField = Annotated[
    ToolChoiceObject,
    BeforeValidator(
        _as_choice, json_schema_input_type=Literal["none", "auto", "required"] | ToolChoiceObject
    ),
]
LegacyChoiceField = Annotated[
    LegacyChoice,
    BeforeValidator(
        _as_legacy_choice, json_schema_input_type=Literal["none", "auto"] | NamedFunction
    ),
]


class PromptFields(Strict):
    """What goes into the prompt besides the messages: tools, thinking, the template."""

    tools: Annotated[list[ToolDefinition], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoiceField | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionDefinition], Field(max_length=MAX_TOOLS)] | None = None
    function_call: LegacyChoiceField | None = None
    reasoning_effort: Effort | None = None
    enable_thinking: bool | None = None
    thinking_budget: Annotated[int, Between(0, 2**31 - 1)] | None = None
    chat_template: Annotated[str, Field(min_length=1)] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    continue_final_message: bool | None = None
    truncate_prompt: bool | None = None


Messages = Annotated[list[ChatMessage], Field(min_length=1), AtMost(MAX_MEMBERS)]


class ChatCompletionRequest(PromptFields, GenerationFields):
    """A conversation to continue. `max_completion_tokens` wins over `max_tokens`.

    What a model thinks comes as `reasoning_content`; with `reasoning_format` `raw` it stays in the
    content as the model wrote it, with `hidden`, or without `include_reasoning`, it is left out.
    """

    model: str
    messages: Messages
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Between(0, MAX_TOP_LOGPROBS)] | None = None
    reasoning_format: Literal["parsed", "raw", "hidden"] | None = None
    include_reasoning: bool | None = None
    modalities: list[str] | None = None


def _is_absent(value: object) -> bool:
    return value is None


AnswerEnd = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class FunctionCallBody(BaseModel):
    """A call; `arguments` is JSON as the model wrote it."""

    name: str
    arguments: str


class ToolCallBody(BaseModel):
    """A call of one of the tools."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCallBody


class CustomBody(BaseModel):
    """The custom tool that is called, with its text."""

    name: str
    input: str


class CustomCallBody(BaseModel):
    """A call of one of the custom tools."""

    id: str
    type: Literal["custom"] = "custom"
    custom: CustomBody


class AnswerMessage(BaseModel):
    """What the model said; `refusal` is always null. The last three fields are there when filled.

    `content` is null when there are only calls.
    """

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    reasoning_content: str | None = Field(default=None, exclude_if=_is_absent)
    tool_calls: list[ToolCallBody | CustomCallBody] | None = Field(
        default=None, exclude_if=_is_absent
    )
    function_call: FunctionCallBody | None = Field(default=None, exclude_if=_is_absent)


class TokenChanceBody(BaseModel):
    """A token that could be chosen. `bytes` are exact where `token` is part of a character."""

    token: str
    bytes: list[int]
    logprob: float


class TokenLogprobBody(TokenChanceBody):
    """The token that was chosen, and the likeliest ones, best first."""

    top_logprobs: list[TokenChanceBody]


class LogprobsBody(BaseModel):
    """The log-probabilities of the content's tokens."""

    content: list[TokenLogprobBody]
    refusal: None = None


class Choice(BaseModel):
    """One answer."""

    index: int
    message: AnswerMessage
    logprobs: LogprobsBody | None
    finish_reason: AnswerEnd


class ChatCompletion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    system_fingerprint: str


class FunctionCallDelta(BaseModel):
    """The name, once, then pieces of the arguments."""

    name: str | None = None
    arguments: str | None = None


class CustomDelta(BaseModel):
    """The name, once, then pieces of the text."""

    name: str | None = None
    input: str | None = None


class ToolCallDelta(BaseModel):
    """Id, type and name of call number `index`, once, then pieces of its arguments or text."""

    index: int
    id: str | None = None
    type: Literal["function", "custom"] | None = None
    function: FunctionCallDelta | None = None
    custom: CustomDelta | None = None


class AnswerDelta(BaseModel):
    """What came since the last chunk."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: FunctionCallDelta | None = None


class ChunkChoice(BaseModel):
    """A part of one answer; the last one has the finish reason."""

    index: int
    delta: AnswerDelta
    logprobs: LogprobsBody | None = None
    finish_reason: AnswerEnd | None


class ChatCompletionChunk(BaseModel):
    """One event of a streamed answer; the stream ends with `data: [DONE]`."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
