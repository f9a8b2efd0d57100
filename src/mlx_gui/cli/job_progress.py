"""A job that the terminal follows to its end."""

import typer
from rich.progress import BarColumn, Progress, TextColumn

from mlx_gui.cli.output import console
from mlx_gui.client import Client
from mlx_gui.core.errors import ErrorInfo, from_info
from mlx_gui.wire.jobs import JobBody

_INTERRUPTED = 130
_ENDED = ("done", "failed", "cancelled", "paused")


def follow_job(client: Client, job: JobBody) -> JobBody:
    """The job once it rests or has ended, shown on stderr until then. Raises its error.

    Ctrl-C leaves it alone, says that it goes on, and ends with exit code 130.
    """
    try:
        job = _shown(client, job)
    except KeyboardInterrupt:
        console(stderr=True).print(
            f"{job.title} goes on. `mlx-gui jobs {job.id}` shows how far it is, and with --cancel "
            "ends it.",
            markup=False,
        )
        raise typer.Exit(_INTERRUPTED) from None
    if job.error is not None:
        raise from_info(ErrorInfo(job.error.code, job.error.message, job.error.hint))
    return job


def _shown(client: Client, job: JobBody) -> JobBody:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
    )
    screen = console(stderr=True)
    with (
        client.events("jobs") as events,
        Progress(
            *columns, console=screen, transient=True, disable=not screen.is_terminal
        ) as progress,
    ):
        bar = progress.add_task(job.title, total=None)
        job = client.job(job.id)
        for event in events:
            if isinstance(event, JobBody) and event.id == job.id:
                job = event
            stage = f"{job.title}: {job.stage}" if job.stage else job.title
            progress.update(bar, description=stage, completed=job.done, total=job.total)
            if job.state in _ENDED:
                break
    return job
