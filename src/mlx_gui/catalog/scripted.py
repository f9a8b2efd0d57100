"""The models of the fake engine: nothing on disk, every behaviour that tests and pages need."""

from mlx_gui.core.model import KVLayout, Model, ModelFacts, TextFacts

_NAMES = ("echo", "second", "slow", "slow-load", "broken", "crash")
_CONTEXT_TOKENS = 4096
_AGENTS_CONTEXT_TOKENS = 131_072
"""Coding agents begin with ten thousand tokens and more."""


def scripted_models() -> tuple[Model, ...]:
    """One model for each script of `engines.fake.text`."""
    return (
        *(_model(name, _CONTEXT_TOKENS) for name in _NAMES),
        _model("agent", _AGENTS_CONTEXT_TOKENS),
    )


def _model(name: str, context_tokens: int) -> Model:
    facts = ModelFacts(
        kind="text",
        model_type="fake",
        capabilities=("chat", "completion", "tools", "thinking"),
        parameter_count=12_500_000,
        stored_bytes=50_000_000,
        largest_tensor_parameters=1_000_000,
        own=TextFacts(context_tokens, KVLayout(1024), has_chat_template=True),
    )
    return Model(
        id=f"fake/{name}",
        path="",
        facts=facts,
        problem=None,
        disk_bytes=facts.stored_bytes,
        discovered_at="2026-01-01T00:00:00+00:00",
    )
