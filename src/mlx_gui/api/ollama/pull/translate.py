"""`/api/pull` ↔ downloads, nothing else."""

import re
from collections.abc import Iterator

import msgspec

from mlx_gui.api.ollama.pull.wire import OllamaPullProgress, OllamaPullRequest
from mlx_gui.control.jobs.download import Download
from mlx_gui.core.errors import Conflict, InvalidRequest, MlxGuiError, from_info
from mlx_gui.core.job import Job

_HUB_PREFIX = re.compile(r"^(https?://)?(hf\.co|huggingface\.co)/", re.IGNORECASE)
_LATEST = ":latest"
_SHORT = 12


def wanted_model(body: OllamaPullRequest) -> str:
    """The id on the hub: without its host, and without `:latest`. Raises InvalidRequest."""
    name = body.model or body.name
    if not name:
        raise InvalidRequest(
            "The request names no model.", hint="Set `model` to `org/name`.", param="model"
        )
    return _HUB_PREFIX.sub("", name).removesuffix(_LATEST)


def progress_of(job: Job) -> Iterator[OllamaPullProgress]:
    """The lines for a download as it is now. Raises its error, and Conflict where it is over."""
    download = msgspec.json.decode(job.arguments, type=Download)
    match job.state, job.stage:
        case "done", _:
            yield OllamaPullProgress(status="writing manifest")
            yield OllamaPullProgress(status="success")
        case (("paused" | "failed" | "cancelled"), _):
            raise _why(job, download)
        case "queued", _ if job.retry_at is not None and job.error is not None:
            yield OllamaPullProgress(status=f"waiting: {job.error.message}")
        case "running", "verifying":
            yield OllamaPullProgress(status="verifying sha256 digest")
        case "running", "downloading":
            yield OllamaPullProgress(
                status=f"pulling {download.commit[:_SHORT]}",
                digest=f"sha1:{download.commit}",
                total=download.total_bytes,
                completed=min(job.done, download.total_bytes - 1),
            )
        case _:
            yield OllamaPullProgress(status="pulling manifest")


def _why(job: Job, download: Download) -> MlxGuiError:
    if job.error is not None:
        return from_info(job.error)
    return Conflict(
        f"The download of {download.model_id} is {job.state}.",
        hint=f"`POST /v1/downloads/{job.id}/resume` and `mlx-gui pull` go on with it.",
    )
