"""`/v1/models/{name}/revision`: whether the hub has a newer one of an installed model."""

import asyncio

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.catalog.revisions import installed_revision
from mlx_gui.core.errors import Conflict, HubAnswer
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.revisions import RevisionBody

router = APIRouter(
    tags=["Models"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.get(
    "/v1/models/{name:path}/revision",
    operation_id="get_model_revision",
    summary="Compare an installed model with the one on the hub",
)
async def get_model_revision(name: str, services: InjectedServices) -> RevisionBody:
    """The hub is asked now, and at no other time. Nothing is installed."""
    model = await services.models.library.find(name)
    here = await asyncio.to_thread(installed_revision, model)
    if here is None:
        raise Conflict(
            f"{model.id} does not lie in the Hugging Face cache, so nobody knows which revision "
            "it is.",
            hint="Models that `mlx-gui pull` has brought can be compared with the hub.",
        )
    there = await services.models.hub.newest(here.repo, revision=here.branch)
    if there.revision is None:
        raise HubAnswer(
            f"The hub names no commit of {here.repo}.",
            hint="Is `hub_endpoint` the address of a hub?",
        )
    return RevisionBody(
        model=model.id,
        repo=here.repo,
        branch=here.branch,
        revision=here.commit,
        newest=there.revision,
        newest_at=there.updated_at,
        newer=there.revision != here.commit,
    )
