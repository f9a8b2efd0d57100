"""What a model kind says of itself: how its files look, what it can do, what it needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.model import Kind, LoadSpec, MemoryNeed, ModelFacts, WeightForm


@dataclass(frozen=True, slots=True)
class Recognised:
    """The facts of a folder that this kind claims, and why it cannot be served if it cannot."""

    facts: ModelFacts | None
    problem: str | None


class ModelKind(Protocol):
    """One file under `kinds/`. Nothing here loads a model or imports MLX."""

    name: Kind
    engine: str
    """Import path of the engine module, `mlx_gui.engines.text.engine`."""

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        """Facts from the files of `folder`, or None when the folder is not of this kind."""
        ...

    def weight_form(
        self, facts: ModelFacts, device: DeviceFacts, *, budget_bytes: int, context: int
    ) -> WeightForm:
        """The fastest form for `device` whose load, with a cache of `context` tokens, fits."""
        ...

    def need(self, facts: ModelFacts, spec: LoadSpec) -> MemoryNeed:
        """Bytes that `spec` takes."""
        ...
