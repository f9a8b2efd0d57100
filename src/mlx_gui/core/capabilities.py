"""What is refused because a model cannot do it, in words; by its facts, so before any load."""

from mlx_gui.core.errors import CapabilityMissing, ModelUnsupported
from mlx_gui.core.model import Capability, Model, ModelFacts

_DEEDS: dict[Capability, str] = {
    "chat": "answer a conversation",
    "completion": "continue a text",
    "tools": "call tools",
    "thinking": "think before it answers",
    "fill_in_the_middle": "fill a gap in a text",
    "vision": "see pictures",
    "embedding": "make vectors of texts",
    "reranking": "tell which documents answer a query",
    "transcription": "write down what is said",
    "translation": "translate what is said into English",
    "speech": "speak a text",
}
_DONE_WITH: dict[Capability, tuple[Capability, ...]] = {"chat": ("chat", "completion")}
"""A conversation without a template is read as paragraphs of a text."""


def check_capability(model: Model, needs: Capability) -> None:
    """Raises CapabilityMissing for what `model` lacks. One that cannot be served at all passes."""
    if model.facts is None or model.problem is not None:
        return
    able = model.facts.capabilities
    if any(each in able for each in _DONE_WITH.get(needs, (needs,))):
        return
    if needs == "fill_in_the_middle":
        raise cannot_fill(model.id)
    can = ", ".join(able)
    raise CapabilityMissing(
        f"{model.id} cannot {_DEEDS[needs]}; its capabilities are: {can or 'none'}.",
        hint=f"Ask a model that has the capability {needs}; `GET /v1/models` names them.",
        details={"capability": needs},
        param="model",
    )


def facts_to_serve(model: Model) -> ModelFacts:
    """The facts of a model. Raises ModelUnsupported for one that cannot be served."""
    if model.facts is None or model.problem is not None:
        raise ModelUnsupported(
            f"{model.id} cannot be served: {model.problem}",
            hint="`mlx-gui list` shows what is wrong with each model.",
            details={"model": model.id},
        )
    return model.facts


def cannot_fill(model_id: str) -> CapabilityMissing:
    """The refusal to fill a gap."""
    return CapabilityMissing(
        f"{model_id} does not support insert: its vocabulary has no tokens to fill in the middle.",
        hint="Leave `suffix` out, or choose a model with the capability fill_in_the_middle, like "
        "Qwen2.5-Coder.",
        param="suffix",
    )
