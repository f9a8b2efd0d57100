"""`/v1/models/{name}/convert`: a smaller model of one that is installed."""

import asyncio

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.jobs.translate import job_body
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.catalog.disk import space_for
from mlx_gui.catalog.disk_room import reserve_of
from mlx_gui.catalog.importing import check_free
from mlx_gui.control.jobs.converting import ConvertModel, sense_of
from mlx_gui.control.jobs.starter import starter_folder
from mlx_gui.control.plans.conversion import check_conversion
from mlx_gui.core.hub import checked_repo_id
from mlx_gui.core.quantization import checked_quantization
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.jobs import JobBody
from mlx_gui.wire.making import ConvertRequest

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Models"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/models/{name:path}/convert",
    operation_id="convert_model",
    summary="Pack a model's weights into fewer bits",
    status_code=202,
    dependencies=[requires("models:manage")],
)
async def convert_model(name: str, body: ConvertRequest, services: InjectedServices) -> JobBody:
    """The job that makes the new model. What it takes of memory and disk is looked at first."""
    model = await services.models.library.find(name)
    wanted = checked_quantization(body.mode, body.bits, body.group_size)
    made = checked_repo_id(body.name or f"{model.id}-{wanted.words}", param="name")
    services.models.library.refuse_taken(made)
    config = services.server.config
    root = starter_folder(config)
    await asyncio.to_thread(check_free, root / made, root)
    disk = await asyncio.to_thread(space_for, root)
    memory = services.machine.sampler.latest
    check_conversion(
        model,
        wanted,
        available_bytes=memory.available_bytes,
        free_disk_bytes=disk.free_bytes,
        reserve_bytes=reserve_of(disk.total_bytes, config.disk_reserve_bytes),
        sense=await asyncio.to_thread(sense_of, model),
    )
    assert model.facts is not None, "what is not known is refused"
    job = ConvertModel(
        model.id,
        model.path,
        made,
        wanted.bits,
        wanted.group_size,
        wanted.mode,
        model.facts.kind,
    )
    return job_body(await services.jobs.start(job))
