"""The protocol between the worker's loop and an engine.

One engine drives one model. `load`, `admit`, `step`, `cancel`, `reclaim`, `memory` and `close` are
called on the worker's main thread only, the one thread that ever touches MLX; `prepare`, `tokenize`
and `detokenize` are called on the preparation thread, beside it, and hand over ids, numpy arrays
and bytes, never MLX arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mlx_gui.core.generation import (
    Detokenized,
    DetokenizeRequest,
    GenerateRequest,
    GenerationEvent,
    Tokenized,
    TokenizeRequest,
)
from mlx_gui.core.model import LoadSpec, MemoryUse

LoadReport = Callable[[str, int, int], None]
"""Called during a load with stage, bytes done and bytes in all."""

StillWanted = Callable[[], None]
"""Called between the stages of a preparation; raises Cancelled when nobody waits for it now."""


def always_wanted() -> None:
    """For a preparation that nobody can cancel."""


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that passed every check: what `admit` takes. `payload` is the engine's own.

    The rest is what `Prepared` tells of it.
    """

    request_id: str
    request: GenerateRequest
    prompt_tokens: int
    payload: Any
    truncated_messages: int = 0
    not_enforced: tuple[str, ...] = ()
    truncated_tokens: int = 0


@dataclass(frozen=True, slots=True)
class StepEvents:
    """What one step brought for one request."""

    request_id: str
    events: tuple[GenerationEvent, ...]


class Engine(Protocol):
    """What every engine can do. Errors are members of the tree in `core.errors`."""

    def load(self, spec: LoadSpec, report: LoadReport) -> None:
        """Make the model resident. Raises LoadFailed or ModelUnsupported with the reason."""
        ...

    def prepare(
        self,
        request_id: str,
        request: GenerateRequest,
        still_wanted: StillWanted = always_wanted,
    ) -> PreparedRequest:
        """Template, tokenise and check one request, on the preparation thread.

        Raises what `still_wanted` raises, and InvalidRequest and its kin; nothing that this lets
        through may hurt MLX.
        """
        ...

    def tokenize(
        self, request: TokenizeRequest, still_wanted: StillWanted = always_wanted
    ) -> Tokenized:
        """What the request reads as tokens, on the preparation thread. Raises InvalidRequest."""
        ...

    def detokenize(self, request: DetokenizeRequest) -> Detokenized:
        """The text of ids, on the preparation thread. Raises InvalidRequest."""
        ...

    def admit(self, prepared: PreparedRequest) -> None:
        """Take a prepared request in; it advances with the next `step`."""
        ...

    def step(self) -> list[StepEvents]:
        """One decode step for all sequences, then a bounded part of the prompts.

        Returns an empty list when nothing was there to do. Every request ends by Usage or Failed.
        """
        ...

    def cancel(self, request_id: str) -> list[StepEvents]:
        """Drop a request now; returns its Done(cancelled) and Usage, nothing if unknown."""
        ...

    def busy(self) -> bool:
        """Whether `step` has work."""
        ...

    def credits(self) -> int:
        """Sequences that this engine takes at once, running ones included."""
        ...

    def serial_because(self) -> str | None:
        """Why only one sequence runs at a time, as a sentence; None when several can."""
        ...

    def context(self) -> int:
        """Tokens of prompt and answer together that one sequence may have."""
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


class EngineModule(Protocol):
    """What a module that a LoadSpec names as its engine has."""

    def create(self) -> Engine:
        """An engine without a model yet."""
        ...

    def warm(self) -> None:
        """Import whatever a load would import, so that the load need not."""
        ...
