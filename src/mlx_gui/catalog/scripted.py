"""The models of the fake engine: nothing on disk, every behaviour that tests and pages need."""

from mlx_gui.core.model import Model, ModelFacts
from mlx_gui.kinds.registry import KINDS


def scripted_models() -> tuple[Model, ...]:
    """One model for each script of the engines in `engines.fake`."""
    return tuple(_model(name, facts) for kind in KINDS for name, facts in kind.scripted.items())


def _model(name: str, facts: ModelFacts) -> Model:
    return Model(
        id=f"fake/{name}",
        path="",
        facts=facts,
        problem=None,
        disk_bytes=facts.stored_bytes,
        discovered_at="2026-01-01T00:00:00+00:00",
    )
