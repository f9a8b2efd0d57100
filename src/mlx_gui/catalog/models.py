"""Models as the list has them, from what a search of the folders found."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import structlog

from mlx_gui.catalog.adapters import adapted, base_of
from mlx_gui.catalog.away import away_model
from mlx_gui.catalog.scan import FoundModel, ScanResult
from mlx_gui.core.model import Kind, Model
from mlx_gui.kinds.registry import kind_of
from mlx_gui.store.models import KnownModel

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def listed_models(
    found: ScanResult,
    *,
    builtin: tuple[Model, ...],
    supported: Mapping[Kind, tuple[str, ...]],
    known: Mapping[str, KnownModel],
    model_dirs: Collection[Path],
) -> tuple[Model, ...]:
    """What was found, is away and is built in, with each adapter on its base, sorted by id.

    `supported` names the architectures that can be loaded, by kind, and `known` what the store has
    of every model and adapter. What it says is hidden is left out.
    """
    # Asked of the disk each time, and models of one kind may be many.
    version_of = cache(version)
    bases = (
        *builtin,
        *_away(known, {each.name for each in found.models}, model_dirs),
        *(
            _model(each, supported, version_of, discovered_at=known[each.name].discovered_at)
            for each in found.models
            if not known[each.name].hidden
        ),
    )
    pairs: list[Model] = []
    for adapter in found.adapters:
        if known[adapter.name].hidden:
            continue
        base = base_of(adapter, bases)
        if base is not None:
            pairs.append(adapted(base, adapter, discovered_at=known[adapter.name].discovered_at))
        elif adapter.problem is not None:
            log.warning("adapter unusable", adapter=adapter.name, reason=adapter.problem)
    return tuple(sorted((*bases, *pairs), key=lambda model: model.id))


def _away(
    known: Mapping[str, KnownModel], found: Collection[str], model_dirs: Collection[Path]
) -> Iterator[Model]:
    for name, each in known.items():
        if name in found or each.hidden:
            continue
        model = away_model(name, each.seen, model_dirs, discovered_at=each.discovered_at)
        if model is not None:
            yield model


def _model(
    found: FoundModel,
    supported: Mapping[Kind, tuple[str, ...]],
    version_of: Callable[[str], str],
    *,
    discovered_at: str,
) -> Model:
    facts, problem = found.recognised.facts, found.recognised.problem
    if problem is None and facts is not None:
        known = supported.get(facts.kind)
        if known and facts.model_type not in known:
            library = kind_of(facts.kind).library
            problem = (
                f"The architecture '{facts.model_type}' is not supported by {library} "
                f"{version_of(library)}."
            )
    return Model(
        id=found.name,
        path=str(found.folder),
        facts=facts,
        problem=problem,
        disk_bytes=found.disk_bytes,
        discovered_at=discovered_at,
        copies=tuple(map(str, found.copies)),
        licence=found.licence,
    )
