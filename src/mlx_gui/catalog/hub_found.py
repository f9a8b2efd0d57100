"""What is looked for on a hub, and what was found: plain data."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from mlx_gui.catalog.hub_facts import HubKind, served
from mlx_gui.core.device import Backend
from mlx_gui.core.hub import HubModel, HubSort, Told
from mlx_gui.core.licence import LicenceClass
from mlx_gui.core.model import Capability, Model

FitState = Literal["yes", "after_eviction", "tight", "no", "unknown"]
Quantization = Literal["2-bit", "3-bit", "4-bit", "5-bit", "6-bit", "8-bit", "mxfp4", "none"]

_COMFORTABLE_SHARE = 0.85
"""What takes more than this of the budget leaves little for anything else."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. `supported` None is true, except for a kind that is not served.

    `fits` true leaves out what is known not to fit, or of which that is not known.
    """

    query: str | None = None
    kind: HubKind | None = None
    author: str | None = None
    sort: HubSort | None = None
    max_bytes: int | None = None
    quantization: Quantization | None = None
    licence: LicenceClass | None = None
    fits: bool = False
    supported: bool | None = None
    limit: int = 20
    cursor: str | None = None

    @property
    def only_supported(self) -> bool:
        if self.supported is not None:
            return self.supported
        return self.kind is None or served(self.kind)

    def fingerprint(self) -> str:
        """The same for the pages of one search, and for no other."""
        parts = msgspec.json.encode(
            (self.query, self.kind, self.author, self.sort, self.max_bytes, self.quantization,
             self.licence, self.fits, self.only_supported)
        )  # fmt: skip
        return hashlib.sha256(parts).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Room:
    """What models may use at the best of times, and what of it is not taken by loaded ones."""

    backend: Backend
    budget_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Fitting:
    """Whether a model fits. `need_bytes` is all that it needs with `context` tokens.

    Without a context it is what the weights need at least.
    """

    state: FitState
    need_bytes: int | None = None
    context: int | None = None


@dataclass(frozen=True, slots=True)
class FoundOnHub:
    """A model on the hub, and what it would be here. None is what nobody says."""

    hub: HubModel
    kind: HubKind | None
    capabilities: tuple[Capability, ...]
    model_type: str | None
    parameter_count: int | None
    quantization: str | None
    size_bytes: int | None
    unsupported: str | None
    fit: Fitting
    variants: tuple["FoundOnHub", ...] = ()


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Some of what was looked for. `asked_hub` is false where all of it was known before."""

    models: tuple[FoundOnHub, ...]
    next_cursor: str | None
    age_s: float
    asked_hub: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Detail:
    """All there is to know of one model. `planned` is the model to plan loads of."""

    found: FoundOnHub
    told: Told
    config: Mapping[str, object] | None
    card: str | None
    license_text: str | None
    planned: Model | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """How many of the most downloaded models are of each kind and architecture."""

    kinds: Mapping[HubKind, int]
    families: Mapping[str, int]
    looked_at: int
    complete: bool
    age_s: float
    asked_hub: bool
    notes: tuple[str, ...]


def fitting(need_bytes: int | None, room: Room, *, context: int | None = None) -> Fitting:
    """Whether something that needs so much fits into `room`."""
    if need_bytes is None:
        return Fitting("unknown")
    state: FitState = "yes"
    if need_bytes > room.budget_bytes:
        state = "no"
    elif need_bytes > _COMFORTABLE_SHARE * room.budget_bytes:
        state = "tight"
    elif need_bytes > room.free_bytes:
        state = "after_eviction"
    return Fitting(state, need_bytes, context)
