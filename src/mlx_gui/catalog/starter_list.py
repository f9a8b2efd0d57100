"""The catalogue of models to begin with, and which of them suit a machine."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Literal

import msgspec

from mlx_gui.catalog.hub_facts import HubKind

MemoryTier = Literal[6, 12, 24, 48, 96, 192]
"""GB that models may use, at most; 192 is everything above 96."""

TIERS: tuple[MemoryTier, ...] = (6, 12, 24, 48, 96, 192)
_GB = 1_000_000_000
_WEIGHTS_SHARE = 0.8
"""So much of the memory weights may take at most: the rest is for context and work."""


class StarterModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model to begin with.

    `memory_gb` is the tier that it is for. `tried` says that it was installed from a real hub;
    where it was not, `size_bytes` is computed. `dimensions` are those of an embedding model's
    vectors. One that is `embedded` comes without a hub.
    """

    id: str
    kind: HubKind
    family: str
    model_type: str
    memory_gb: MemoryTier
    size_bytes: int
    parameter_count: int
    license: str
    tried: bool
    quantization: str | None = None
    dimensions: int | None = None
    embedded: bool = False
    note: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    starter: tuple[StarterModel, ...]


def starter_models() -> tuple[StarterModel, ...]:
    """All of them, in the order of the file, which comes with the package."""
    text = files("mlx_gui.catalog").joinpath("starters.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).starter


def tier_of(usable_bytes: int) -> MemoryTier:
    """The tier of a machine whose models may use so much."""
    for tier in TIERS:
        if usable_bytes <= tier * _GB:
            return tier
    return TIERS[-1]


def chosen_starters(
    starters: Iterable[StarterModel], usable_bytes: int
) -> Mapping[HubKind, StarterModel]:
    """The one of each kind for a machine whose models may use so much.

    It is the first of the machine's tier, else of the largest below, whose weights leave room for
    work; an embedded one only where no other fits.
    """
    tier = tier_of(usable_bytes)
    room_bytes = usable_bytes * _WEIGHTS_SHARE
    fitting = [
        each for each in starters if each.memory_gb <= tier and each.size_bytes <= room_bytes
    ]
    # A stable sort: within a tier the order of the file stays.
    fitting.sort(key=lambda each: (each.embedded, -each.memory_gb))
    chosen: dict[HubKind, StarterModel] = {}
    for each in fitting:
        chosen.setdefault(each.kind, each)
    return chosen
