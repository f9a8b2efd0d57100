"""Installed models as Codex wants them, nothing else."""

from collections.abc import Sequence

from mlx_gui.api.openai.models.wire import AgentEffort, AgentModel, AgentTruncation
from mlx_gui.core.generation import Effort
from mlx_gui.wire.models import ModelObject

INSTRUCTIONS = """\
You are an agent that works in a terminal, in the folder of the user. Use the tools to look at \
files, to run commands and to change files; do not guess what is in them. Go on until what the \
user asked for is done, check it where that is possible, and then say in short what you have \
done."""
_RESULT_TOKENS = 10_000
_EFFORTS: dict[Effort, str] = {
    "none": "Answers at once",
    "low": "Thinks a little",
    "medium": "Thinks as the model does by itself",
    "high": "Thinks longer",
}


def agent_models(models: Sequence[ModelObject]) -> list[AgentModel]:
    """Those of `models` that can chat, in their order."""
    chatting = [model for model in models if model.supported and "chat" in model.capabilities]
    return [_agent_model(model, priority=place) for place, model in enumerate(chatting)]


def _agent_model(model: ModelObject, *, priority: int) -> AgentModel:
    thinks = "thinking" in model.capabilities
    efforts = [AgentEffort(effort=effort, description=said) for effort, said in _EFFORTS.items()]
    return AgentModel(
        slug=model.id,
        display_name=model.display_name,
        description="Runs on this machine.",
        default_reasoning_level="medium" if thinks else None,
        supported_reasoning_levels=efforts if thinks else [],
        priority=priority,
        base_instructions=INSTRUCTIONS,
        supports_reasoning_summaries=thinks,
        truncation_policy=AgentTruncation(mode="tokens", limit=_RESULT_TOKENS),
        context_window=model.max_model_len,
        max_context_window=model.max_model_len,
        experimental_supported_tools=[],
        input_modalities=["text"],
    )
