"""Models on the hub as JSON, with what they are and would be here."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import msgspec

from mlx_gui.catalog.hub_facts import quantization_of, served, why_not_served
from mlx_gui.catalog.hub_found import Counted, Detail, Fitting, FoundOnHub, FoundPage, Room, fitting
from mlx_gui.catalog.needed import needed_files
from mlx_gui.catalog.starter_list import StarterModel, chosen_starters, tier_of
from mlx_gui.catalog.ways import check_ways
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.hub import HubModel, RepoTree, XetUse
from mlx_gui.core.licence import licence_class
from mlx_gui.core.model import Capability, Kind
from mlx_gui.kinds.architecture import (
    context_length,
    hidden_size,
    language_part,
    vocabulary_size,
)
from mlx_gui.kinds.memory import PROCESS_BYTES
from mlx_gui.kinds.numbers import number
from mlx_gui.wire.discover import (
    CategoryBody,
    CategoryList,
    ConfigFacts,
    DiscoveredDetail,
    DiscoveredList,
    DiscoveredModel,
    FamilyBody,
    FitBody,
    HubFileBody,
    StarterBody,
    StarterList,
    SupportedBody,
    VariantBody,
)

StateOf = Callable[[str], str | None]
"""The state of the installed model with this id, None where there is none."""

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_MOST_FAMILIES = 50


def page_body(page: FoundPage, state_of: StateOf) -> DiscoveredList:
    return DiscoveredList(
        data=[model_body(each, state_of) for each in page.models],
        next_cursor=page.next_cursor,
        source="hub" if page.asked_hub else "cache",
        age_s=round(page.age_s, 1),
        notes=list(page.notes),
    )


def model_body(found: FoundOnHub, state_of: StateOf) -> DiscoveredModel:
    hub = found.hub
    return DiscoveredModel(
        id=hub.id,
        author=hub.author,
        name=hub.name,
        base_model=hub.base_model,
        kind=found.kind,
        capabilities=[*found.capabilities, *_sight(found)],
        model_type=found.model_type,
        parameter_count=found.parameter_count,
        quantization=found.quantization,
        size_bytes=found.size_bytes,
        license=hub.license,
        license_link=hub.license_link,
        license_class=licence_class(hub.license),
        gated=hub.gated,
        downloads=hub.downloads,
        likes=hub.likes,
        updated_at=hub.updated_at,
        supported=SupportedBody(ok=found.unsupported is None, reason=found.unsupported),
        fit=fit_body(found.fit),
        installed=state_of(hub.id),
        variants=[_variant(each, state_of) for each in found.variants],
    )


def detail_body(
    detail: Detail,
    state_of: StateOf,
    *,
    link: str,
    fit: Fitting,
    fits: Iterable[Fitting],
    xet: XetUse,
) -> DiscoveredDetail:
    hub = detail.found.hub
    needed, problem = _needed(hub, xet)
    files = hub.files or ()
    shown: dict[str, Any] = dict(model_body(detail.found, state_of))
    shown["fit"] = fit_body(fit)
    return DiscoveredDetail(
        **shown,
        revision=hub.revision,
        files=[
            HubFileBody(
                path=each.path, size_bytes=each.size_bytes, needed=each.path in (needed or ())
            )
            for each in files
        ],
        download_bytes=None
        if needed is None
        else sum(each.size_bytes for each in files if each.path in needed),
        config=None if detail.config is None else _facts(detail.config),
        card=detail.card,
        license_text=detail.license_text,
        link=link,
        fits=[fit_body(each) for each in fits],
        warnings=_warnings(hub, problem),
        source="cache" if detail.told.age_s else "hub",
        age_s=round(detail.told.age_s, 1),
        notes=list(detail.notes),
    )


def category_list(counted: Counted, supported: Iterable[str]) -> CategoryList:
    known = set(supported)
    families = sorted(counted.families.items(), key=lambda each: (-each[1], each[0]))
    return CategoryList(
        data=[
            CategoryBody(kind=kind, count=count, served=served(kind))
            for kind, count in counted.kinds.items()
        ],
        families=[
            FamilyBody(model_type=name, count=count, supported=not known or name in known)
            for name, count in families[:_MOST_FAMILIES]
        ],
        counted=counted.looked_at,
        complete=counted.complete,
        source="hub" if counted.asked_hub else "cache",
        age_s=round(counted.age_s, 1),
        notes=list(counted.notes),
    )


def starter_list(
    starters: Iterable[StarterModel],
    room: Room | None,
    state_of: StateOf,
    *,
    supported: Mapping[Kind, tuple[str, ...]],
) -> StarterList:
    known = tuple(starters)
    chosen = set[str]()
    if room is not None:
        chosen = {each.id for each in chosen_starters(known, room.budget_bytes).values()}
    return StarterList(
        data=[
            _starter(each, room, state_of, chosen=each.id in chosen, supported=supported)
            for each in known
        ],
        usable_bytes=None if room is None else room.budget_bytes,
        memory_gb=None if room is None else tier_of(room.budget_bytes),
        notes=[
            "Of those that were not tried, id, licence and size are as far as they are known; "
            "`/v1/discover/models/{id}` asks the hub."
        ],
    )


def fit_body(fit: Fitting) -> FitBody:
    return FitBody(state=fit.state, need_bytes=fit.need_bytes, context=fit.context)


def _starter(
    starter: StarterModel,
    room: Room | None,
    state_of: StateOf,
    *,
    chosen: bool,
    supported: Mapping[Kind, tuple[str, ...]],
) -> StarterBody:
    need_bytes = None if room is None else starter.size_bytes + PROCESS_BYTES[room.backend]
    unsupported = why_not_served(starter.kind, starter.model_type, supported)
    fit = Fitting("unknown") if room is None else fitting(need_bytes, room)
    return StarterBody(
        **msgspec.structs.asdict(starter),
        license_class=licence_class(starter.license),
        chosen=chosen,
        supported=SupportedBody(ok=unsupported is None, reason=unsupported),
        fit=fit_body(fit),
        installed=state_of(starter.id),
    )


def _sight(found: FoundOnHub) -> tuple[Capability, ...]:
    return ("vision",) if found.kind == "vision" else ()


def _variant(found: FoundOnHub, state_of: StateOf) -> VariantBody:
    return VariantBody(
        id=found.hub.id,
        quantization=found.quantization,
        size_bytes=found.size_bytes,
        license=found.hub.license,
        license_link=found.hub.license_link,
        license_class=licence_class(found.hub.license),
        gated=found.hub.gated,
        downloads=found.hub.downloads,
        fit=fit_body(found.fit),
        installed=state_of(found.hub.id),
    )


def _needed(hub: HubModel, xet: XetUse) -> tuple[frozenset[str] | None, str | None]:
    """The paths that an installation fetches, or why there is none."""
    try:
        tree = RepoTree(hub.id, hub.revision or "", hub.files or ())
        needed = needed_files(tree)
        check_ways(tree, needed, xet, hashes_known=False)
        return frozenset(each.path for each in needed), None
    except MlxGuiError as error:
        return None, error.message


def _warnings(hub: HubModel, problem: str | None) -> list[str]:
    paths = [each.path for each in hub.files or ()]
    warnings = [] if problem is None or hub.files is None else [problem]
    if any(path.endswith(_PICKLES) for path in paths):
        warnings.append("Some of its files are pickles, which run code when read: never fetched.")
    if any(path.endswith(".py") for path in paths) or "auto_map" in hub.config:
        warnings.append("It comes with code of its own, which is neither fetched nor run.")
    if hub.gated:
        warnings.append("It is given only to those who have asked its publisher for it.")
    if hub.files is None:
        warnings.append("The hub does not say what files it has.")
    return warnings


def _facts(config: Mapping[str, object]) -> ConfigFacts:
    part = language_part(config)
    model_type, named = config.get("model_type"), config.get("architectures")
    members = cast("list[object]", named) if isinstance(named, list) else []
    return ConfigFacts(
        model_type=model_type if isinstance(model_type, str) else None,
        architectures=[each for each in members if isinstance(each, str)],
        context_length=context_length(config),
        vocabulary_size=vocabulary_size(config),
        hidden_size=hidden_size(part) or None,
        layers=number(part, "num_hidden_layers", "n_layer", "n_layers", "num_layers") or None,
        quantization=quantization_of(config),
    )
