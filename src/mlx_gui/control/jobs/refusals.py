"""Why a job is not begun, or not treated as somebody wants."""

from mlx_gui.core.errors import Conflict, NotFound, QueueFull
from mlx_gui.core.job import Job

MOST_WAITING = 100


def refuse_ended(job: Job, done_to_it: str) -> None:
    """Raises Conflict for a job that has ended."""
    if job.ended:
        raise Conflict(f"The job {job.id} is {job.state}, and cannot {done_to_it} any more.")


def refuse_unended(job: Job) -> None:
    """Raises Conflict for a job that is to be removed, and has not ended."""
    if not job.ended:
        raise Conflict(
            f"The job {job.id} is {job.state}, and only one that has ended is removed.",
            hint="Cancel it first.",
        )


def no_job(job_id: str) -> NotFound:
    """What is said of an id that no job has."""
    return NotFound(
        f"There is no job '{job_id}'.",
        hint="`GET /v1/jobs` and `mlx-gui jobs` show those that there are.",
    )


def not_known(job: Job) -> Conflict:
    """What is said of a job that another version has left."""
    return Conflict(
        f"This version of mlx-gui has no job {job.kind} with the arguments {job.arguments}.",
        hint="Remove the job, and start a new one.",
    )


def refuse_rival(model_id: str, rival: Job) -> None:
    """Raises Conflict: two that bring a model of one name would be in each other's way."""
    raise Conflict(
        f"{model_id} is being installed already: {rival.title}.",
        hint=f"Wait for it, cancel it (`mlx-gui jobs {rival.id} --cancel`), or give the new one "
        "another name.",
        details={"model": model_id, "job": rival.id},
    )


def refuse_more(waiting: int) -> None:
    """Raises QueueFull where so many have not ended yet that no more are taken."""
    if waiting >= MOST_WAITING:
        raise QueueFull(
            f"{waiting} jobs have not ended yet, more are not taken.",
            hint="Wait until some have ended, or cancel some.",
        )
