"""`/api/delete` and `/api/copy`: a model goes, or gets one more name."""

from fastapi import APIRouter, Response

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.ollama.catalog.wire import OllamaCopyRequest, OllamaDeleteRequest
from mlx_gui.api.ollama.errors import OllamaError
from mlx_gui.api.ollama.route import AnyTypeJsonRoute

router = APIRouter(
    route_class=AnyTypeJsonRoute,
    tags=["Ollama"],
    dependencies=[requires("models:manage")],
    responses=errors_as(OllamaError, "4XX", "5XX"),
)


@router.delete("/api/delete", operation_id="ollama_delete", summary="Remove a model")
async def delete(body: OllamaDeleteRequest, services: InjectedServices) -> Response:
    """Its files go to the trash, as by `DELETE /v1/models/{name}`; of an alias only that goes."""
    models = services.models
    model = await models.library.find(body.model)
    alias = models.library.alias_in(body.model, model)
    if alias is not None:
        # One that stands for all names that begin so goes by its own name alone.
        await models.aliases.remove(body.model if alias.endswith("*") else alias)
    else:
        await models.removals.remove(model)
    return Response()


@router.post("/api/copy", operation_id="ollama_copy", summary="Give a model another name")
async def copy(body: OllamaCopyRequest, services: InjectedServices) -> Response:
    """The copy is an alias: it takes no space, and goes by `/api/delete`."""
    library = services.models.library
    model = await library.find(body.source)
    library.refuse_id(body.destination)
    await services.models.aliases.put(body.destination, model.id)
    return Response()
