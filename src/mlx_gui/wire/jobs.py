"""The JSON of jobs."""

from typing import Any, Literal

from pydantic import BaseModel

from mlx_gui.core.job import JobState
from mlx_gui.wire.models import ErrorBody


class JobBody(BaseModel):
    """Work that takes long. `done` of `total` are of its present `stage`, counted in `unit`.

    `total` is null where nobody knows it, `error` is there once it has failed or rests. `retry_at`
    is when one that rests is tried again by itself.
    """

    id: str
    object: Literal["job"] = "job"
    kind: str
    title: str
    arguments: dict[str, Any]
    state: JobState
    stage: str
    done: int
    total: int | None
    unit: str
    error: ErrorBody | None
    retry_at: str | None
    created_at: str
    updated_at: str
    ended_at: str | None


class JobList(BaseModel):
    """Jobs, the newest first."""

    object: Literal["list"] = "list"
    data: list[JobBody]


class RemovedJob(BaseModel):
    """A job that is forgotten."""

    id: str
    object: Literal["job"] = "job"
    deleted: Literal[True] = True
