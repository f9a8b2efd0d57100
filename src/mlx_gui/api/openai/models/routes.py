"""`/v1/models`, for every family: its objects are a superset of what each client reads."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.openai.models.translate import agent_models
from mlx_gui.api.openai.models.wire import AgentModelList
from mlx_gui.api.present_models import present_model, present_models
from mlx_gui.core.errors import MethodNotAllowed, ModelNotFound
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.models import ModelObject

router = APIRouter(
    tags=["Models"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)
_ACTIONS = ("load", "unload", "rescan")


@router.get("/v1/models", operation_id="list_models", summary="List the installed models")
async def list_models(
    services: InjectedServices,
    client_version: Annotated[
        str | None, Query(description="Codex' own version: adds `models`, as it wants them.")
    ] = None,
) -> AgentModelList:
    """Every model found in the model folders, those with a problem included."""
    listed = present_models(services, await services.models.library.listed())
    models = None if client_version is None else agent_models(listed.data)
    return AgentModelList(**dict(listed), models=models)


@router.get("/v1/models/{name:path}", operation_id="get_model", summary="Describe one model")
async def get_model(name: str, request: Request, services: InjectedServices) -> ModelObject:
    """One installed model, by its id or by its last part where that is unique."""
    try:
        model = await services.models.library.find(name)
    except ModelNotFound:
        if name.rpartition("/")[2] in _ACTIONS:
            raise MethodNotAllowed(
                f"{request.url.path} does not take {request.method}.", hint="It takes POST."
            ) from None
        raise
    return present_model(services, model)
