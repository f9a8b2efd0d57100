"""What a model kind says of itself: how its files look, what it can do, what it needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlx_gui.core.device import Backend, DeviceFacts
from mlx_gui.core.generation import WorkerRequest
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
    requests: tuple[type[WorkerRequest], ...]
    """What a model of this kind is asked; tagged structs."""

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        """Facts from the files of `folder`, or None when the folder is not of this kind."""
        ...

    def weight_forms(self, facts: ModelFacts, device: DeviceFacts) -> tuple[WeightForm, ...]:
        """The forms that `device` can hold weights in, the fastest first and the last smallest."""
        ...

    def need(
        self,
        facts: ModelFacts,
        spec: LoadSpec,
        *,
        adapter_bytes: int = 0,
        draft: ModelFacts | None = None,
        backend: Backend = "cpu",
    ) -> MemoryNeed:
        """Bytes that `spec` takes on `backend`, its adapter and its draft model included."""
        ...
