"""What a model kind says of itself: how its files look, what it can do, what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import (
    Kind,
    KindFacts,
    KindOptions,
    LoadSpec,
    MemoryNeed,
    Model,
    ModelFacts,
)
from mlx_gui.core.setting_row import ModelSettings

Footprint = Literal["full", "small"]
"""`small` is what is left of a load after its model ran out of memory: no more than it needs."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The facts of a folder that this kind claims, and why it cannot be served if it cannot."""

    facts: ModelFacts | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAsked:
    """The load that a kind is to plan.

    `engine` is the import path of the engine that will load it, `room_bytes` what it may take at
    most. `draft` is the model that the settings name to draft, `detector` an installed one that
    tells speech from other sound. `corrected` tells what is known of a spec's need besides the
    kind's own estimate. `context_tokens`, `footprint` and `room_tokens` are the wish for this load
    (`control/plans/wish.py:Wish`), which a kind follows as far as it means something for it.
    """

    model: Model
    facts: ModelFacts
    device: DeviceFacts
    engine: str
    room_bytes: int
    settings: ModelSettings
    corrected: Callable[[LoadSpec, MemoryNeed], MemoryNeed]
    draft: Model | None = None
    detector: Model | None = None
    context_tokens: int | None = None
    footprint: Footprint = "full"
    room_tokens: int = 0


@dataclass(frozen=True, slots=True)
class LoadPlanned:
    """What a load makes resident, and the memory it needs, which may be more than there is.

    `wanted_context` is the context that was asked for or chosen, before it was made to fit, 0 for a
    kind that knows none; `auto` says that nobody has set it, `context_because` why it is that.
    """

    spec: LoadSpec
    need: MemoryNeed
    wanted_context: int = 0
    auto: bool = False
    context_because: str = ""


class ModelKind(Protocol):
    """One file under `kinds/`. Nothing here loads a model or imports MLX."""

    name: Kind
    engine: str
    """Import path of the engine module, `mlx_gui.engines.text.engine`."""
    requests: tuple[type[WorkerRequest], ...]
    """What a model of this kind is asked; tagged structs."""
    options: type[KindOptions]
    """What a LoadSpec of this kind holds; a tagged struct."""
    facts: type[KindFacts]
    """What the facts of its models have besides; a struct."""
    library: str
    """The distribution that loads it, whose version is told where that lacks an architecture."""
    architectures: str
    """Import path of a module whose `supported_model_types()` says what that library can load.

    The probe calls it; empty where all that is recognised can be loaded.
    """
    scripted: Mapping[str, ModelFacts]
    """The models of its fake engine, by the name that says how they behave."""
    weight_files: tuple[str, ...]
    """Patterns of file names: a folder with one of them may be a model of this kind."""

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        """Facts from the files of `folder`, or None when the folder is not of this kind."""
        ...

    def plan(self, asked: LoadAsked) -> LoadPlanned:
        """What a load makes resident, as much of what is asked for as fits into its room."""
        ...
