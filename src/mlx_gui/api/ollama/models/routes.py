"""`/api/tags`, `/api/ps`, `/api/show` and `/api/version`."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from fastapi import APIRouter, Request, Response

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.ollama.errors import OllamaError
from mlx_gui.api.ollama.models.disk import modified_s
from mlx_gui.api.ollama.models.translate import also, card, listed, running
from mlx_gui.api.ollama.models.wire import (
    OllamaModelCard,
    OllamaModelList,
    OllamaRunningModels,
    OllamaShowRequest,
    OllamaVersion,
)
from mlx_gui.api.ollama.route import AnyTypeJsonRoute
from mlx_gui.catalog.library import Library
from mlx_gui.catalog.model_texts import licence_text_of, stored_template
from mlx_gui.control.residency.views import ResidentView
from mlx_gui.core.errors import ModelNotFound
from mlx_gui.core.model import Model
from mlx_gui.version import __version__

API_VERSION = "0.14.0"
"""Of Ollama: clients ask for a least version before they use what came with it.

This is the one that brought the newest of what is served here as there, `/v1/messages`; Codex
wants 0.13.4 for `/v1/responses`. What later ones brought is not here.
"""

router = APIRouter(
    route_class=AnyTypeJsonRoute,
    tags=["Ollama"],
    dependencies=[requires("models:read")],
    responses=errors_as(OllamaError, "4XX", "5XX"),
)


@router.get("/api/tags", operation_id="ollama_tags", summary="List the installed models")
async def tags(services: InjectedServices) -> OllamaModelList:
    """Every installed model that can be served, and each once more by each of its aliases."""
    models = [model for model in await services.models.library.listed() if model.problem is None]
    times = await _modified(models)
    rows = [listed(model, times[model.id]) for model in models]
    names = {model.id: services.models.aliases.of(model.id) for model in models}
    return OllamaModelList(
        models=[
            *rows,
            *(
                also(row, alias)
                for row in rows
                for alias in names[row.model]
                if not alias.endswith("*")
            ),
        ]
    )


@router.get("/api/ps", operation_id="ollama_ps", summary="List the models in memory")
async def ps(services: InjectedServices) -> OllamaRunningModels:
    """Every model that is loaded, is being loaded, or is leaving."""
    residents = services.models.run_loop.snapshot().models
    models = list(_installed(services.models.library, residents))
    times = await _modified(models)
    device = services.machine.device.facts
    return OllamaRunningModels(
        models=[
            running(
                model,
                residents[model.id],
                times[model.id],
                on_gpu=device is not None and device.backend != "cpu",
                keep_alive_s=services.models.settings.of(model).keep_alive_s,
                now_s=time.time(),
            )
            for model in models
        ]
    )


@router.post("/api/show", operation_id="ollama_show", summary="Describe one model")
async def show(body: OllamaShowRequest, services: InjectedServices) -> OllamaModelCard:
    """What is known of one installed model."""
    model = await services.models.library.find(body.model)
    times, template, licence = await asyncio.gather(
        _modified([model]),
        asyncio.to_thread(stored_template, model),
        asyncio.to_thread(licence_text_of, model),
    )
    return card(
        model,
        times[model.id],
        template=template.text if template else "",
        license_text=licence,
    )


@router.get("/api/version", operation_id="ollama_version", summary="Say which API this is")
async def version() -> OllamaVersion:
    """The version of Ollama's API that is spoken, and of the server."""
    return OllamaVersion(version=API_VERSION, mlx_gui=__version__)


async def alive(_: Request) -> Response:
    """What programs ask for that only want to know whether somebody is there."""
    return Response(media_type="application/json")


# Plain routes: they need no description.
router.add_route("/api/tags", alive, methods=["HEAD"])
router.add_route("/api/version", alive, methods=["HEAD"])


def _installed(library: Library, residents: Mapping[str, ResidentView]) -> Iterator[Model]:
    """The models of those in memory; pairs of base and adapter are there that no list has."""
    for id, resident in sorted(residents.items()):
        if resident.spec is not None:
            # It may have been removed from the disk meanwhile.
            with suppress(ModelNotFound):
                yield library.resolve(id)


async def _modified(models: list[Model]) -> dict[str, float | None]:
    """When each of `models` changed, by id; disks may be slow."""
    return await asyncio.to_thread(lambda: {model.id: modified_s(model) for model in models})
