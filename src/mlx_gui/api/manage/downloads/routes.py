"""`POST /v1/models/install` and `/v1/downloads`: models of the hub on their way here."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.downloads.translate import download_body, wanted_model
from mlx_gui.api.present_models import present_model
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.model import Model
from mlx_gui.wire.downloads import (
    DownloadBody,
    DownloadList,
    DownloadOrder,
    InstallRequest,
    RemovedDownload,
)
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.models import ModelObject

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Downloads"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)
_MANAGE = [requires("models:manage")]
_READ = [requires("models:read")]


@router.post(
    "/v1/models/install",
    operation_id="install_model",
    summary="Download a model from the hub",
    dependencies=_MANAGE,
    response_model=ModelObject,
    responses={202: {"model": DownloadBody, "description": "The download that brings it"}},
)
async def install_model(body: InstallRequest, services: InjectedServices) -> ModelObject | Response:
    """The model if it is here, else the download that brings it, which others may have begun.

    Only what serving needs is fetched. A repo that cannot be served is refused before any of that.
    """
    await services.models.library.listed()
    if body.name is not None:
        services.models.library.refuse_id(body.name)
        services.models.aliases.refuse_other(body.name, body.model_id)
    found = await services.downloads.install(
        body.model_id, revision=body.revision, files=body.files or ()
    )
    if body.name is not None:
        await services.models.aliases.put(body.name, wanted_model(found))
    if isinstance(found, Model):
        return present_model(services, found)
    return Response(
        download_body(found).model_dump_json(), status_code=202, media_type="application/json"
    )


@router.get(
    "/v1/downloads", operation_id="list_downloads", summary="List the downloads", dependencies=_READ
)
async def list_downloads(services: InjectedServices) -> DownloadList:
    """What runs, waits, and has ended not too long ago, the newest first."""
    return DownloadList(data=[download_body(job) for job in services.downloads.all()])


@router.post(
    "/v1/downloads/order",
    operation_id="order_downloads",
    summary="Change the order of the downloads that wait",
    dependencies=_MANAGE,
)
async def order_downloads(body: DownloadOrder, services: InjectedServices) -> DownloadList:
    """All downloads as they have their turn: those named first, then the others as before."""
    ordered = await services.downloads.order(body.ids)
    return DownloadList(data=[download_body(job) for job in ordered])


@router.get(
    "/v1/downloads/{download_id}",
    operation_id="get_download",
    summary="Show one download",
    dependencies=_READ,
)
async def get_download(download_id: str, services: InjectedServices) -> DownloadBody:
    """How far it is, or how it ended."""
    return download_body(services.downloads.get(download_id))


@router.delete(
    "/v1/downloads/{download_id}",
    operation_id="cancel_download",
    summary="Cancel a download, or forget one that has ended",
    dependencies=_MANAGE,
)
async def cancel_download(
    download_id: str,
    services: InjectedServices,
    keep_partial: Annotated[
        bool, Query(description="Leave what has come, for a later download of the same.")
    ] = False,
) -> DownloadBody | RemovedDownload:
    """The download once it has ended and left nothing, or that it is forgotten."""
    ended = services.downloads.get(download_id).ended
    job = await services.downloads.cancel(download_id, keep_partial=keep_partial)
    return RemovedDownload(id=job.id) if ended else download_body(job)


@router.post(
    "/v1/downloads/{download_id}/pause",
    operation_id="pause_download",
    summary="Have a download rest until it is resumed",
    dependencies=_MANAGE,
)
async def pause_download(download_id: str, services: InjectedServices) -> DownloadBody:
    """The download once it rests. What has come stays."""
    return download_body(await services.downloads.pause(download_id))


@router.post(
    "/v1/downloads/{download_id}/resume",
    operation_id="resume_download",
    summary="Have a download go on where it was",
    dependencies=_MANAGE,
)
async def resume_download(download_id: str, services: InjectedServices) -> DownloadBody:
    """The download, which runs when it is its turn."""
    return download_body(await services.downloads.resume(download_id))


@router.post(
    "/v1/downloads/{download_id}/retry",
    operation_id="retry_download",
    summary="Try a download again after it failed",
    dependencies=_MANAGE,
)
async def retry_download(download_id: str, services: InjectedServices) -> DownloadBody:
    """The download, which goes on with what it has."""
    return download_body(await services.downloads.resume(download_id))
