"""Jobs as JSON."""

from typing import Any

import msgspec

from mlx_gui.api.model_view import utc_time
from mlx_gui.core.job import Job
from mlx_gui.wire.jobs import JobBody
from mlx_gui.wire.models import ErrorBody


def job_body(job: Job) -> JobBody:
    """`job` as it is now."""
    error = job.error
    return JobBody(
        id=job.id,
        kind=job.kind,
        title=job.title,
        arguments=msgspec.json.decode(job.arguments, type=dict[str, Any]),
        state=job.state,
        stage=job.stage,
        done=job.done,
        total=job.total,
        unit=job.unit,
        error=error and ErrorBody(code=error.code, message=error.message, hint=error.hint),
        retry_at=utc_time(job.retry_at),
        created_at=utc_time(job.created_at),
        updated_at=utc_time(job.updated_at),
        ended_at=utc_time(job.ended_at),
    )
