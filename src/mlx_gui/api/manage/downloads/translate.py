"""Downloads as JSON."""

import msgspec

from mlx_gui.api.model_view import utc_time
from mlx_gui.control.jobs.download import Download, detail_of
from mlx_gui.core.job import Job
from mlx_gui.core.model import Model
from mlx_gui.wire.downloads import DownloadBody, DownloadState
from mlx_gui.wire.models import ErrorBody


def download_body(job: Job) -> DownloadBody:
    """`job`, which is a download, as it is now."""
    download = msgspec.json.decode(job.arguments, type=Download)
    detail, error, running = detail_of(job), job.error, job.state == "running"
    done = job.state == "done"
    total_bytes = download.total_bytes
    return DownloadBody(
        id=job.id,
        model_id=download.model_id,
        revision=download.commit,
        requested_revision=download.revision,
        state=_state(job),
        bytes_done=total_bytes if done else min(job.done, max(0, total_bytes - 1)),
        bytes_total=total_bytes,
        bytes_per_s=detail.bytes_per_s if running else None,
        eta_s=detail.eta_s if running else None,
        files_done=download.files_total if done else detail.files_done,
        files_total=download.files_total,
        current_file=detail.current_file if running else None,
        note=detail.note if running else None,
        error=error and ErrorBody(code=error.code, message=error.message, hint=error.hint),
        retry_at=utc_time(job.retry_at),
        turn=None if job.ended else job.position,
        created_at=utc_time(job.created_at),
        updated_at=utc_time(job.updated_at),
    )


def wanted_model(found: Job | Model) -> str:
    """The id of the model that is here or will be."""
    if isinstance(found, Model):
        return found.id
    return msgspec.json.decode(found.arguments, type=Download).model_id


def _state(job: Job) -> DownloadState:
    match job.state, job.stage:
        case "running", "downloading" | "verifying":
            return job.stage
        case "running", _:
            return "checking"
        case state, _:
            return state
