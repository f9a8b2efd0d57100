"""`/v1/models`, for every family: its objects are a superset of what each client reads."""

from fastapi import APIRouter, Request

from mlx_gui.api.auth import requires
from mlx_gui.api.model_view import model_list, model_object
from mlx_gui.api.services import InjectedServices
from mlx_gui.core.errors import MethodNotAllowed, ModelNotFound
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.models import ModelList, ModelObject

router = APIRouter(
    tags=["Models"],
    dependencies=[requires("models:read")],
    responses={"4XX": {"model": ErrorEnvelope}},
)
_ACTIONS = ("load", "unload", "rescan")


@router.get("/v1/models", operation_id="list_models", summary="List the installed models")
async def list_models(services: InjectedServices) -> ModelList:
    """Every model found in the model folders, those with a problem included."""
    return model_list(await services.library.listed(), services.run_loop.snapshot())


@router.get("/v1/models/{name:path}", operation_id="get_model", summary="Describe one model")
async def get_model(name: str, request: Request, services: InjectedServices) -> ModelObject:
    """One installed model, by its id or by its last part where that is unique."""
    try:
        model = await services.library.find(name)
    except ModelNotFound:
        if name.rpartition("/")[2] in _ACTIONS:
            raise MethodNotAllowed(
                f"{request.url.path} does not take {request.method}.", hint="It takes POST."
            ) from None
        raise
    return model_object(model, services.run_loop.snapshot().models.get(model.id))
