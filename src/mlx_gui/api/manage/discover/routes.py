"""`/v1/discover`: models on the hub, found and judged for this machine."""

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.discover.asked import Filters
from mlx_gui.api.manage.discover.present import (
    discovery,
    installed_states,
    planned_fits,
    room,
)
from mlx_gui.api.manage.discover.translate import (
    category_list,
    detail_body,
    page_body,
    starter_list,
)
from mlx_gui.api.services import Services
from mlx_gui.catalog.hub_facts import HubKind
from mlx_gui.catalog.hub_found import Wanted
from mlx_gui.catalog.starter_list import starter_models
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.hub import DEFAULT_REVISION, checked_repo_id, checked_revision
from mlx_gui.wire.discover import (
    CategoryList,
    DiscoveredDetail,
    DiscoveredList,
    StarterList,
)
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    prefix="/v1/discover",
    tags=["Discovery"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)
Asked = Annotated[Filters, Query()]


@router.get("/models", operation_id="discover_models", summary="Search the hub for models")
async def discover_models(services: InjectedServices, asked: Asked) -> DiscoveredList:
    """Models that fit all that is asked for. What is known of earlier answers does when the hub
    cannot be asked; `source`, `age_s` and `notes` say so."""
    return await _page(services, asked.wanted())


@router.get("/popular", operation_id="discover_popular", summary="The most downloaded models")
async def discover_popular(services: InjectedServices, asked: Asked) -> DiscoveredList:
    """The list of models, sorted by downloads."""
    return await _page(services, replace(asked.wanted(), sort="downloads"))


@router.get("/trending", operation_id="discover_trending", summary="The models of these days")
async def discover_trending(services: InjectedServices, asked: Asked) -> DiscoveredList:
    """The list of models, sorted by what the hub calls trending."""
    return await _page(services, replace(asked.wanted(), sort="trending"))


@router.get(
    "/compatible", operation_id="discover_compatible", summary="Models that can be served here"
)
async def discover_compatible(services: InjectedServices, asked: Asked) -> DiscoveredList:
    """The list of models, without those that are not supported or do not fit."""
    return await _page(services, replace(asked.wanted(), supported=True, fits=True))


@router.get(
    "/embeddings", operation_id="discover_embeddings", summary="Models that make vectors of texts"
)
async def discover_embeddings(services: InjectedServices, asked: Asked) -> DiscoveredList:
    """The list of models of the kind `embedding`."""
    return await _page(services, _of_kind(asked.wanted(), "embedding"))


@router.get("/stt", operation_id="discover_stt", summary="Models that write down what is said")
async def discover_stt(services: InjectedServices, asked: Asked) -> DiscoveredList:
    """The list of models of the kind `transcription`."""
    return await _page(services, _of_kind(asked.wanted(), "transcription"))


@router.get("/tts", operation_id="discover_tts", summary="Models that speak")
async def discover_tts(services: InjectedServices, asked: Asked) -> DiscoveredList:
    """The list of models of the kind `speech`."""
    return await _page(services, _of_kind(asked.wanted(), "speech"))


@router.get("/rerankers", operation_id="discover_rerankers", summary="Models that order documents")
async def discover_rerankers(services: InjectedServices, asked: Asked) -> DiscoveredList:
    """The list of models of the kind `reranker`."""
    return await _page(services, _of_kind(asked.wanted(), "reranker"))


@router.get("/vision", operation_id="discover_vision", summary="Models that see pictures")
async def discover_vision(services: InjectedServices, asked: Asked) -> DiscoveredList:
    """The list of models of the kind `vision`."""
    return await _page(services, _of_kind(asked.wanted(), "vision"))


@router.get(
    "/categories", operation_id="discover_categories", summary="Kinds and families of models"
)
async def discover_categories(services: InjectedServices) -> CategoryList:
    """With how many there are among those that were counted."""
    facts = services.machine.device.facts
    supported = () if facts is None else facts.model_types.get("text", ())
    return category_list(await discovery(services).count(), supported)


@router.get("/starters", operation_id="discover_starters", summary="Models to begin with")
async def discover_starters(services: InjectedServices) -> StarterList:
    """The catalogue that comes with the program, and what of it suits this machine; no hub."""
    facts = services.machine.device.facts
    return starter_list(
        await asyncio.to_thread(starter_models),
        room(services),
        installed_states(services).get,
        supported={} if facts is None else facts.model_types,
    )


@router.get(
    "/models/{id:path}", operation_id="discover_model", summary="All about one model on the hub"
)
async def discover_model(
    id: str,
    services: InjectedServices,
    revision: Annotated[str, Query(description="A branch, a tag or a commit.")] = DEFAULT_REVISION,
) -> DiscoveredDetail:
    """Files, sizes, card, licence, other quantizations, and how it fits with three contexts."""
    model_id = checked_repo_id(id)
    detail = await discovery(services).detail(model_id, checked_revision(revision))
    fit, fits = await planned_fits(services, detail.planned, detail.found.fit)
    link = f"{services.server.config.hub_endpoint}/{detail.found.hub.id}"
    states = installed_states(services)
    xet = services.server.config.xet
    return detail_body(detail, states.get, link=link, fit=fit, fits=fits, xet=xet)


async def _page(services: Services, wanted: Wanted) -> DiscoveredList:
    page = await discovery(services).search(wanted)
    return page_body(page, installed_states(services).get)


def _of_kind(wanted: Wanted, kind: HubKind) -> Wanted:
    if wanted.kind not in (None, kind):
        raise InvalidRequest(
            f"This list is of the kind {kind}, not {wanted.kind}.",
            hint="Leave `kind` out, or ask /v1/discover/models.",
            param="kind",
        )
    return replace(wanted, kind=kind)
