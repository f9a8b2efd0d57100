"""`/v1/jobs`: work that takes long, and what may be done about it."""

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.jobs.translate import job_body
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.jobs import JobBody, JobList, RemovedJob

router = APIRouter(
    tags=["Jobs"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)
_MANAGE = [requires("models:manage")]
_READ = [requires("models:read")]


@router.get("/v1/jobs", operation_id="list_jobs", summary="List the jobs", dependencies=_READ)
async def list_jobs(services: InjectedServices) -> JobList:
    """What runs, waits, and has ended not too long ago."""
    return JobList(data=[job_body(job) for job in services.jobs.newest_first()])


@router.get("/v1/jobs/{job_id}", operation_id="get_job", summary="Show one job", dependencies=_READ)
async def get_job(job_id: str, services: InjectedServices) -> JobBody:
    """How far it is, or how it ended."""
    return job_body(services.jobs.get(job_id))


@router.post(
    "/v1/jobs/{job_id}/pause",
    operation_id="pause_job",
    summary="Have a job rest until it is resumed",
    dependencies=_MANAGE,
)
async def pause_job(job_id: str, services: InjectedServices) -> JobBody:
    """The job once it rests. What it has done so far is kept where its kind can go on from it."""
    return job_body(await services.jobs.pause(job_id))


@router.post(
    "/v1/jobs/{job_id}/resume",
    operation_id="resume_job",
    summary="Have a job go on, or try again after it failed",
    dependencies=_MANAGE,
)
async def resume_job(job_id: str, services: InjectedServices) -> JobBody:
    """The job, which runs when it is its turn."""
    return job_body(await services.jobs.resume(job_id))


@router.post(
    "/v1/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    summary="End a job for good",
    dependencies=_MANAGE,
)
async def cancel_job(job_id: str, services: InjectedServices) -> JobBody:
    """The job once it has ended and what was unfinished is removed."""
    return job_body(await services.jobs.cancel(job_id))


@router.delete(
    "/v1/jobs/{job_id}",
    operation_id="remove_job",
    summary="Forget a job that has ended",
    dependencies=_MANAGE,
)
async def remove_job(job_id: str, services: InjectedServices) -> RemovedJob:
    """What a job that was done has made stays."""
    await services.jobs.remove(job_id)
    return RemovedJob(id=job_id)
