"""The models of the fake engine: nothing on disk, every behaviour that tests and pages need."""

from mlx_gui.core.model import KVLayout, Model, ModelFacts

_NAMES = ("echo", "second", "slow", "slow-load", "broken", "crash")


def scripted_models() -> tuple[Model, ...]:
    """One model for each script of `engines.fake`."""
    facts = ModelFacts(
        kind="text",
        model_type="fake",
        capabilities=("chat",),
        context_length=4096,
        parameter_count=12_500_000,
        stored_bytes=50_000_000,
        largest_tensor_parameters=1_000_000,
        kv=KVLayout(1024),
        has_chat_template=True,
    )
    return tuple(
        Model(
            id=f"fake/{name}",
            path="",
            facts=facts,
            problem=None,
            disk_bytes=facts.stored_bytes,
            discovered_at="2026-01-01T00:00:00+00:00",
        )
        for name in _NAMES
    )
