"""A download as the terminal shows it, until it has ended."""

import time
from datetime import datetime

import typer
from rich.progress import BarColumn, Progress, TextColumn

from mlx_gui.cli.output import console, report_error
from mlx_gui.client import Client
from mlx_gui.core.units import format_bytes, format_duration
from mlx_gui.wire.downloads import DownloadBody

_LOOK_AGAIN_S = 0.5
_INTERRUPTED = 130


def follow(client: Client, download: DownloadBody) -> DownloadBody:
    """The download when it is done. Ends with exit code 1 when it is not, and says why.

    Ctrl-C pauses it, and ends with exit code 130.
    """
    try:
        ended = _shown(client, download)
    except KeyboardInterrupt:
        paused = client.pause_download(download.id)
        console(stderr=True).print(
            f"Paused at {progress_words(paused)}. "
            f"`mlx-gui pull {paused.model_id}` goes on where it is."
        )
        raise typer.Exit(_INTERRUPTED) from None
    if ended.state == "done":
        return ended
    if ended.error is not None:
        report_error(ended.error.message, ended.error.hint)
    else:
        report_error(f"The download of {ended.model_id} is {ended.state}.")
    if ended.state != "cancelled":
        console(stderr=True).print(f"`mlx-gui pull {ended.model_id}` goes on where it is.")
    raise typer.Exit(1)


def _shown(client: Client, download: DownloadBody) -> DownloadBody:
    screen = console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        console=screen,
        disable=not screen.is_terminal,
    ) as progress:
        task = progress.add_task(download.model_id, total=download.bytes_total, words="")
        said = ""
        while True:
            reason = _waits_for(download)
            if reason != said:
                screen.print(reason or "It goes on.", markup=False, soft_wrap=True)
            said = reason
            progress.update(
                task, completed=download.bytes_done, words=f"{download.state}  {words(download)}"
            )
            if download.state in ("done", "failed", "cancelled", "paused"):
                return download
            time.sleep(_LOOK_AGAIN_S)
            download = client.download(download.id)


def progress_words(download: DownloadBody) -> str:
    """Like `12.0 MB of 92.9 MB`."""
    return f"{format_bytes(download.bytes_done)} of {format_bytes(download.bytes_total)}"


def words(download: DownloadBody) -> str:
    """How much has come, how fast, how long the rest takes, or why nothing comes."""
    parts = [progress_words(download)]
    if download.bytes_per_s:
        parts.append(f"{format_bytes(download.bytes_per_s)}/s")
    if download.eta_s is not None:
        parts.append(f"{format_duration(download.eta_s)} left")
    if download.retry_at is not None:
        at = datetime.fromisoformat(download.retry_at).astimezone()
        parts.append(f"next try at {at:%H:%M:%S}")
    elif download.note:
        parts.append(download.note)
    return ", ".join(parts)


def _waits_for(download: DownloadBody) -> str:
    """Why it waits, if it goes on by itself."""
    if download.error is None or download.retry_at is None:
        return ""
    return download.error.message
