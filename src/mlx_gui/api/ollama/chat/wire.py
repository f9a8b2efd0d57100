"""The JSON of `/api/chat`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from mlx_gui.api.fields import MAX_MEMBERS, MAX_TOOLS, AtMost, NonEmpty, Strict
from mlx_gui.api.ollama.wire import Answer, OllamaToolCall, Question

Role = Literal["system", "user", "assistant", "tool"]


class OllamaCalledFunction(Strict):
    """A function that was called in an earlier turn."""

    name: NonEmpty
    arguments: dict[str, Any] | None = None


class OllamaEarlierCall(Strict):
    """A call of an earlier turn."""

    id: str | None = None
    function: OllamaCalledFunction


def _role(value: object) -> object:
    """Ollama does not look at the case. Newer programs of OpenAI's call the system developer."""
    written = value.lower() if isinstance(value, str) else value
    return "system" if written == "developer" else written


class OllamaMessage(Strict):
    """One turn. The result of a call has the role tool, and `tool_name` or `tool_call_id`.

    `images` are for models that see, each the base64 of a file.
    """

    role: Annotated[Role, BeforeValidator(_role)]
    content: str | None = None
    thinking: str | None = None
    images: Annotated[list[Any], AtMost(MAX_MEMBERS)] | None = None
    tool_calls: Annotated[list[OllamaEarlierCall], AtMost(MAX_MEMBERS)] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class OllamaOfferedFunction(Strict):
    """A function that may be called; `parameters` is the JSON schema of its arguments."""

    name: NonEmpty
    description: str | None = None
    parameters: dict[str, Any] | None = None


class OllamaOfferedTool(Strict):
    """A tool, which is always a function."""

    type: Literal["function"] | None = None
    function: OllamaOfferedFunction


class OllamaChatRequest(Question):
    """A conversation to continue. Without messages the model is loaded, or with `keep_alive` 0
    unloaded."""

    messages: Annotated[list[OllamaMessage], AtMost(MAX_MEMBERS)] | None = None
    tools: Annotated[list[OllamaOfferedTool], AtMost(MAX_TOOLS)] | None = None


class OllamaAnswerMessage(BaseModel):
    """What the model said, thought and called."""

    role: Literal["assistant"] = "assistant"
    content: str
    thinking: str | None = None
    tool_calls: list[OllamaToolCall] | None = Field(default=None, min_length=1)


class OllamaChatAnswer(Answer):
    """A line of a streamed answer, or the whole."""

    message: OllamaAnswerMessage
