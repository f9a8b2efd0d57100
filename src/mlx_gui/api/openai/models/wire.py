"""The JSON of `/v1/models` where it is asked for by `client_version`, as Codex does."""

from typing import Literal

from pydantic import BaseModel, Field

from mlx_gui.core.generation import Effort
from mlx_gui.wire.models import ModelList


def _is_absent(value: object) -> bool:
    return value is None


class AgentEffort(BaseModel):
    """An effort that can be chosen."""

    effort: Effort
    description: str


class AgentTruncation(BaseModel):
    """How much of a tool's result the agent sends."""

    mode: Literal["bytes", "tokens"]
    limit: int


class AgentModel(BaseModel):
    """What Codex wants to know of a model; most of it is the same for all."""

    slug: str
    display_name: str
    description: str
    default_reasoning_level: Effort | None
    supported_reasoning_levels: list[AgentEffort]
    shell_type: Literal["default"] = "default"
    visibility: Literal["list"] = "list"
    supported_in_api: Literal[True] = True
    priority: int
    upgrade: None = None
    base_instructions: str
    supports_reasoning_summaries: bool
    support_verbosity: Literal[False] = False
    default_verbosity: None = None
    apply_patch_tool_type: None = None
    truncation_policy: AgentTruncation
    supports_parallel_tool_calls: Literal[True] = True
    context_window: int | None
    max_context_window: int | None
    experimental_supported_tools: list[str]
    input_modalities: list[Literal["text"]]


class AgentModelList(ModelList):
    """All installed models; `models` are those that can chat, if `client_version` is given."""

    models: list[AgentModel] | None = Field(default=None, exclude_if=_is_absent)
