"""The JSON of `/v1/messages`. Fields that are not named here are ignored."""

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from mlx_gui.api.fields import (
    MAX_MEMBERS,
    MAX_TOOLS,
    AtMost,
    Between,
    StopList,
    Strict,
    text_or_list,
    type_in,
)

BLOCK_TYPES = frozenset(
    {
        "text",
        "image",
        "document",
        "search_result",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
        "tool_reference",
    }
)
StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


def _text_block(text: str) -> object:
    return {"type": "text", "text": text}


def _as_source(value: object) -> object:
    return {"type": "name", "data": value} if isinstance(value, str) else value


class MessageSource(Strict):
    """What a document or picture consists of; a search result's source is only a name.

    Of a document `data` of the type `text` and `content` are read; of a picture `data` of the type
    `base64`, or `url`.
    """

    type: str
    data: str | None = None
    content: "Blocks | None" = None
    media_type: str | None = None
    url: str | None = None


class MessageBlock(Strict):
    """A piece of a message, with the fields of its `type`, which is always checked first.

    Of other types than these nothing is read but texts.

    text: `text` · image: `source` · document: `source`, `title`, `context` · search_result:
    `title`, `source`, `content` · thinking: `thinking` · tool_use: `id`, `name`, `input` ·
    tool_result: `tool_use_id`, `content`, `is_error` · tool_reference: `tool_name`.
    """

    type: str
    text: str | None = None
    source: (
        Annotated[
            MessageSource,
            BeforeValidator(_as_source, json_schema_input_type=str | MessageSource),
        ]
        | None
    ) = None
    title: str | None = None
    context: str | None = None
    content: "Blocks | None" = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    is_error: bool | None = None
    tool_name: str | None = None
    other: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_others_whole(cls, value: object) -> object:
        """Blocks of the future have fields of their own: such a one is `other`, as it came."""
        type_ = type_in(value)
        if type_ is None or type_ in BLOCK_TYPES:
            return value
        whole = cast(dict[str, Any], value)
        given = {name: whole.get(name) for name in ("id", "tool_use_id")}
        texts = {name: text for name, text in given.items() if isinstance(text, str)}
        return {"type": type_, "other": whole, **texts}


_BlockList = Annotated[list[MessageBlock], AtMost(MAX_MEMBERS)]
Blocks = Annotated[
    _BlockList,
    BeforeValidator(
        text_or_list(_text_block, of="blocks"), json_schema_input_type=str | _BlockList
    ),
]


class MessageTurn(Strict):
    """One turn. Those of one role that follow on each other are read as one."""

    role: Literal["user", "assistant", "system"]
    content: Blocks


class MessageTool(Strict):
    """A tool that the client runs, described by its `input_schema`.

    Without one, its `type` is of those that Anthropic describes, and only its name is read: the
    client's shell, editor, memory and screen are known, others are left out.
    """

    name: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    type: str | None = None
    strict: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_little_of_others(cls, value: object) -> object:
        type_ = type_in(value)
        if type_ in (None, "custom"):
            return value
        whole = cast(dict[str, Any], value)
        if whole.get("input_schema") is not None:
            return value
        return {"type": type_, "name": whole.get("name")}


class MessageToolChoice(Strict):
    """`name` belongs to the type `tool`."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MessageThinking(Strict):
    """`budget_tokens` is for `enabled`; `adaptive` and `between_tools` leave it to the model."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


class MessageFormat(Strict):
    """The JSON schema that the answer's text keeps to."""

    type: Literal["json_schema"]
    json_schema: dict[str, Any] = Field(alias="schema")


class MessageOutput(Strict):
    """How much the model thinks, and the form of its text."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: MessageFormat | None = None


class MessageThread(Strict):
    """A conversation that a server keeps. None is kept here: only `create` is taken, as nothing."""

    type: Literal["create", "continue"]


class MessageCountRequest(Strict):
    """A conversation whose tokens are counted.

    `mcp_servers`, `container` and `context_management` are left out: no tools are run here, and
    nothing is kept.
    """

    model: str
    messages: Annotated[list[MessageTurn], AtMost(MAX_MEMBERS)] = Field(min_length=1)
    system: Blocks | None = None
    tools: Annotated[list[MessageTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: MessageToolChoice | None = None
    thinking: MessageThinking | None = None
    output_config: MessageOutput | None = None
    output_format: MessageFormat | None = None
    mcp_servers: Any = None
    container: Any = None
    context_management: Any = None
    thread: MessageThread | None = None


class MessageRequest(MessageCountRequest):
    """A conversation to continue. If the last message is the assistant's, it begins the answer."""

    max_tokens: Annotated[int, Field(ge=1)]
    stop_sequences: StopList | None = None
    temperature: Annotated[float, Between(0, 1)] | None = None
    top_p: Annotated[float, Between(0, 1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    stream: bool | None = None


class MessageTokenCount(BaseModel):
    """How many tokens a conversation has, system prompt and tools included."""

    input_tokens: int


class TextBlock(BaseModel):
    """What the model said."""

    type: Literal["text"] = "text"
    text: str


class ThinkingBlock(BaseModel):
    """What the model thought. Nothing is signed here, so the signature is empty."""

    type: Literal["thinking"] = "thinking"
    thinking: str
    signature: str = ""


class ToolUseBlock(BaseModel):
    """A call of a tool. An input that is no JSON object, say cut off, is below `INVALID_JSON`."""

    type: Literal["tool_use"] = "tool_use"
    id: str
    name: str
    input: dict[str, Any]


ContentBlock = TextBlock | ThinkingBlock | ToolUseBlock


class OutputTokensDetails(BaseModel):
    """`thinking_tokens` are a part of the output's."""

    thinking_tokens: int


class MessageUsage(BaseModel):
    """Tokens: `input_tokens` were read anew, those of the cache read come on top of them.

    When a stream starts, the cache's share is not known yet and counts as read anew.
    """

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int
    output_tokens_details: OutputTokensDetails


class MessageAnswer(BaseModel):
    """A whole answer. `truncated_messages` of the oldest turns were left out to make room."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[ContentBlock]
    stop_reason: StopReason | None
    stop_sequence: str | None
    usage: MessageUsage
    truncated_messages: int
