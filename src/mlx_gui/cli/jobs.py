"""`mlx-gui jobs`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, facts_table, plain_table, write_json
from mlx_gui.client import Client
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.jobs import JobBody


def command(
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="Id of a job; without it, all of them.")
    ] = None,
    *,
    pause: Annotated[bool, typer.Option("--pause", help="Have it rest.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Have it go on, or try again after it failed.")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="End it for good.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Forget it; it must have ended.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Jobs are work that takes long, like the installation of a model.

    They go on when the server was stopped and starts again.
    """
    wanted = [pause, resume, cancel, remove]
    if sum(wanted) > 1 or (any(wanted) and job is None):
        raise typer.BadParameter("Name one JOB, and one thing to do to it.")
    with connect(url, data_dir) as client:
        if job is None:
            return _show_all(client, json=json)
        if remove:
            gone = client.remove_job(job)
            return write_json(gone) if json else console().print(f"{job} is forgotten.")
        if pause:
            shown = client.pause_job(job)
        elif resume:
            shown = client.resume_job(job)
        elif cancel:
            shown = client.cancel_job(job)
        else:
            shown = client.job(job)
    if json:
        write_json(shown)
    else:
        console().print(facts_table(job_facts(shown)))


def _show_all(client: Client, *, json: bool) -> None:
    jobs = client.jobs()
    if json:
        write_json(jobs)
    elif not jobs.data:
        console().print("There are no jobs.")
    else:
        table = plain_table("Job", "What", "State", "Stage", ">Done", wraps="What")
        for job in jobs.data:
            table.add_row(*job_row(job))
        console().print(table)


def job_row(job: JobBody) -> tuple[str, ...]:
    """Id, title, state, stage, how much of the stage is done."""
    return (job.id, job.title, job.state, job.stage or "-", progress_words(job))


def job_facts(job: JobBody) -> list[tuple[str, str]]:
    """Names and values of all that there is to say of it."""
    facts = [("Job", job.id), ("What", job.title), ("State", job.state)]
    if job.stage:
        facts.append(("Stage", f"{job.stage}, {progress_words(job)}"))
    if job.error is not None:
        facts.append(("Error", f"{job.error.message} {job.error.hint}".strip()))
    return facts


def progress_words(job: JobBody) -> str:
    """Like `12.0 MB of 92.9 MB`; a dash where nothing was counted."""
    if not job.total:
        return _amount(job.done, job.unit) if job.done else "-"
    return f"{_amount(job.done, job.unit)} of {_amount(job.total, job.unit)}"


def _amount(count: int, unit: str) -> str:
    return format_bytes(count) if unit == "bytes" else f"{count} {unit}".strip()
