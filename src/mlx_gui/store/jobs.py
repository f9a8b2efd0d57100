"""Jobs, as they were when they last changed."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.core.errors import ErrorInfo
from mlx_gui.core.job import Job
from mlx_gui.store.schema import jobs


def all_jobs(connection: Connection) -> list[Job]:
    """Every job, in the order in which they have their turn."""
    turns = (jobs.c.position, jobs.c.created_at, jobs.c.id)
    rows = connection.execute(select(jobs).order_by(*turns)).mappings()
    return [_job(row) for row in rows]


def keep_job(connection: Connection, job: Job) -> None:
    """Keeps `job` in the place of what was known of it."""
    row = msgspec.structs.asdict(job)
    del row["retry_at"]
    row["error"] = None if job.error is None else msgspec.json.encode(job.error).decode()
    connection.execute(
        insert(jobs).values(row).on_conflict_do_update(index_elements=[jobs.c.id], set_=row)
    )


def forget_jobs(connection: Connection, ids: Collection[str]) -> None:
    """Nothing is known of these jobs any more."""
    connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))


def _job(row: RowMapping) -> Job:
    values: dict[str, Any] = {**row, "error": _error(row["error"])}
    return Job(**values)


def _error(text: str | None) -> ErrorInfo | None:
    return None if text is None else msgspec.json.decode(text, type=ErrorInfo)
