"""Removing models, and the trash that they can come back from."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.removals.translate import entry_body, removed_body, trash_list
from mlx_gui.api.present_models import present_model
from mlx_gui.core.errors import Conflict, InvalidRequest, ModelNotFound
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.removals import (
    DeletedTrash,
    RemovedModelBody,
    RestoredModel,
    TrashEntryBody,
    TrashList,
)

_PARTS = ("load", "unload", "health", "plan", "settings", "convert")
_BESIDE = ("rescan", "unload-all", "install", "import")


class WholeModelRoute(APIRoute):
    """A route of a model itself, which takes no path of something that belongs to one."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """What belongs to a model has other methods, and is not to be removed by mistake."""
        name = str(scope["path"]).removeprefix("/v1/models/")
        owner, _, last = name.rpartition("/")
        if (owner and last in _PARTS) or name in _BESIDE:
            return Match.NONE, {}
        return super().matches(scope)


router = APIRouter(
    route_class=WholeModelRoute,
    tags=["Models"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)
_MANAGE = [requires("models:manage")]
_READ = [requires("models:read")]


@router.delete(
    "/v1/models/{name:path}",
    operation_id="remove_model",
    summary="Remove a model from the disk",
    dependencies=_MANAGE,
)
async def remove_model(
    name: str,
    services: InjectedServices,
    remove_files: Annotated[
        bool,
        Query(description="`false` leaves its files, and hides it until a rescan asks for it."),
    ] = True,
    force: Annotated[bool, Query(description="End running answers too.")] = False,
    for_good: Annotated[
        bool,
        Query(description="Delete its files at once, for which a full disk has room as well."),
    ] = False,
) -> RemovedModelBody:
    """It leaves memory, and its files go to a trash on their disk, from where it can come back.

    Refused while it answers, unless forced, and by an alias, which stands for a model of another
    name.
    """
    library, removals = services.models.library, services.models.removals
    model = await library.find(name)
    if (alias := library.alias_in(name, model)) is not None:
        raise Conflict(
            f"'{alias}' is an alias of {model.id}, which is removed by its own name alone.",
            hint=f"`DELETE /v1/aliases/{alias}` removes the alias.",
        )
    if not remove_files and for_good:
        raise InvalidRequest(
            "Files that stay cannot be deleted for good.",
            hint="Leave `remove_files` or `for_good` out.",
            param="for_good",
        )
    if remove_files:
        done = await removals.remove(model, force=force, for_good=for_good)
    else:
        done = await removals.forget(model, force=force)
    return removed_body(removals, done)


@router.get("/v1/trash", operation_id="list_trash", summary="List the trash", dependencies=_READ)
async def list_trash(services: InjectedServices) -> TrashList:
    """The removed models that can come back, on the disks that are there."""
    return trash_list(services.models.removals, await services.models.removals.entries())


@router.get(
    "/v1/trash/{trash_id}",
    operation_id="get_trash",
    summary="Show one removed model",
    dependencies=_READ,
)
async def get_trash(trash_id: str, services: InjectedServices) -> TrashEntryBody:
    """What it is, and until when it can come back."""
    removals = services.models.removals
    return entry_body(removals, await removals.get(trash_id))


@router.post(
    "/v1/trash/{trash_id}/restore",
    operation_id="restore_model",
    summary="Bring a removed model back",
    dependencies=_MANAGE,
)
async def restore_model(trash_id: str, services: InjectedServices) -> RestoredModel:
    """It is where it was, and listed with its settings and aliases. Refused where that is taken."""
    entry = await services.models.removals.restore(trash_id)
    try:
        model = services.models.library.resolve(entry.model_id)
    except ModelNotFound:
        model = None
    return RestoredModel(
        trash_id=trash_id,
        id=entry.model_id,
        places=[str(place) for place in entry.places],
        model=None if model is None else present_model(services, model),
    )


@router.delete(
    "/v1/trash/{trash_id}",
    operation_id="delete_trash",
    summary="Delete a removed model for good",
    dependencies=_MANAGE,
)
async def delete_trash(trash_id: str, services: InjectedServices) -> DeletedTrash:
    """The bytes that came free."""
    return DeletedTrash(id=trash_id, freed_bytes=await services.models.removals.delete(trash_id))
