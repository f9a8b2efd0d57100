"""The protocol between the worker's loop and an engine.

One engine drives one model. `load`, `admit`, `step`, `cancel`, `reclaim`, `memory` and `close` are
called on the worker's main thread only, the one thread that ever touches MLX; `prepare` is called
on the preparation thread, beside it, and hands over ids, numpy arrays and bytes, never MLX arrays.

What is asked is the kind's own: the worker's loop leads any request from `prepare` to its end and
looks into none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mlx_gui.core.ask import LOCAL_TENANT
from mlx_gui.core.errors import CapabilityMissing
from mlx_gui.core.generation import Event, Prepared, WorkerRequest
from mlx_gui.core.model import Loaded, LoadSpec, MemoryUse

MODEL_ERRORS = (
    ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What Python code of a model file may raise; an error inside MLX is a RuntimeError."""

LoadReport = Callable[[str, int, int], None]
"""Called during a load with stage, bytes done and bytes in all."""

StillWanted = Callable[[], None]
"""Called between the stages of a preparation; raises Cancelled when nobody waits for it now."""


def always_wanted() -> None:
    """For a preparation that nobody can cancel."""


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that passed every check: what `admit` takes.

    `payload` is the engine's own, `told` the first event of the request. Whose it is says the
    worker, for caches that tell tenants apart.
    """

    request_id: str
    payload: Any
    told: Prepared
    tenant: str = LOCAL_TENANT


class TakesLong(Exception):
    """Raised while a request is prepared: others are to pass while it waits for some work.

    `work` is for another thread. Once it has returned, the request is prepared anew. It raises as
    `Engine.prepare` does.
    """

    def __init__(self, work: Callable[[StillWanted], None]) -> None:
        super().__init__("The request waits for work that takes long.")
        self.work = work


@dataclass(frozen=True, slots=True)
class StepEvents:
    """What one step brought for one request."""

    request_id: str
    events: tuple[Event, ...]


class Engine(Protocol):
    """What every engine can do. Errors are members of the tree in `core.errors`."""

    def load(self, spec: LoadSpec, report: LoadReport) -> Loaded:
        """Make the model resident. Raises LoadFailed or ModelUnsupported with the reason."""
        ...

    def prepare(
        self,
        request_id: str,
        request: WorkerRequest,
        still_wanted: StillWanted = always_wanted,
    ) -> PreparedRequest | tuple[Event, ...]:
        """One request, read and checked on the preparation thread.

        Events are the whole answer of a request that needs no MLX, like one about tokens; the last
        of them is Usage. Raises what `still_wanted` raises, InvalidRequest and its kin, and
        `cannot_answer` for a request of another kind; nothing that this lets through may hurt MLX.
        Raises TakesLong for one that is to be prepared later.
        """
        ...

    def admit(self, prepared: PreparedRequest) -> None:
        """Take a prepared request in; it advances with the next `step`."""
        ...

    def step(self) -> list[StepEvents]:
        """One bounded piece of work for the requests that were admitted.

        Returns an empty list when nothing was there to do. Every request ends by Usage or Failed.
        """
        ...

    def cancel(self, request_id: str) -> list[StepEvents]:
        """Drop a request now; returns the events that end it, nothing if it is unknown.

        The last of them is Usage; what is answered in sequences has a Done(cancelled) for each.
        """
        ...

    def busy(self) -> bool:
        """Whether `step` has work."""
        ...

    def credits(self) -> int:
        """Credits that this engine gives out at once, those of running requests included."""
        ...

    def reclaim(self, wanted_bytes: int) -> int:
        """Free caches until `wanted_bytes` came back or nothing is left; returns bytes freed."""
        ...

    def memory(self) -> MemoryUse:
        """What the process holds right now."""
        ...

    def close(self) -> None:
        """Give up the model. The worker ends right after."""
        ...


def cannot_answer(spec: LoadSpec) -> CapabilityMissing:
    """The refusal of a request that is of another kind than what is loaded."""
    return CapabilityMissing(
        f"{spec.model_id}, a model of the kind '{spec.kind}', cannot answer this request.",
        hint="`GET /v1/models` says what each model can do.",
        param="model",
    )


class EngineModule(Protocol):
    """What a module that a LoadSpec names as its engine has."""

    def create(self) -> Engine:
        """An engine without a model yet."""
        ...

    def warm(self) -> None:
        """Import whatever a load would import, so that the load need not."""
        ...
