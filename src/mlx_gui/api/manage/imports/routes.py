"""`/v1/models/import`: models from elsewhere on the server's machine."""

import asyncio

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.jobs.translate import job_body
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.catalog.importing import check_place, checked_name, examine
from mlx_gui.control.jobs.importing import ImportModel
from mlx_gui.control.jobs.starter import starter_folder
from mlx_gui.core.errors import Conflict
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.jobs import JobBody
from mlx_gui.wire.making import ImportRequest

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Models"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/models/import",
    operation_id="import_model",
    summary="Import a model folder or a GGUF file",
    status_code=202,
    dependencies=[requires("admin")],
)
async def import_model(body: ImportRequest, services: InjectedServices) -> JobBody:
    """The job that does it. What cannot be imported is refused before it begins."""
    source = await asyncio.to_thread(examine, body.path)
    name = checked_name(body.name, source.path)
    config = services.server.config
    for folder in config.model_dirs:
        if source.path.is_relative_to(folder.resolve()) and source.form == "folder":
            raise Conflict(
                f"{source.path} lies in {folder}, which is searched for models already.",
                hint="`mlx-gui list` shows it, if need be after a rescan.",
            )
    services.models.library.refuse_taken(name)
    root = starter_folder(config)
    await asyncio.to_thread(
        check_place,
        source,
        root / name,
        root,
        mode=body.mode,
        reserve_bytes=config.disk_reserve_bytes,
    )
    return job_body(
        await services.jobs.start(ImportModel(str(source.path), name, body.mode, source.form))
    )
