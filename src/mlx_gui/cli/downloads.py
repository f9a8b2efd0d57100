"""`mlx-gui downloads`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.following import words
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, facts_table, plain_table, write_json
from mlx_gui.client import Client
from mlx_gui.core.errors import NotFound
from mlx_gui.wire.downloads import DownloadBody, RemovedDownload


def command(
    download: Annotated[
        str | None,
        typer.Argument(
            metavar="DOWNLOAD", help="Id of a download, or its model; without it, all of them."
        ),
    ] = None,
    *,
    pause: Annotated[bool, typer.Option("--pause", help="Have it rest.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Have it go on, or try again after it failed.")
    ] = False,
    first: Annotated[
        bool, typer.Option("--first", help="Have it before all others that wait.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End it for good, or forget one that has ended.")
    ] = False,
    keep_partial: Annotated[
        bool, typer.Option("--keep-partial", help="With --cancel: leave what has come.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Downloads go on when the server was stopped and starts again."""
    wanted = [pause, resume, first, cancel]
    if sum(wanted) > 1 or (any(wanted) and download is None) or (keep_partial and not cancel):
        raise typer.BadParameter("Name one DOWNLOAD, and one thing to do to it.")
    with connect(url, data_dir) as client:
        if download is None:
            return _show_all(client, json=json)
        found = _found(client, download)
        if pause:
            found = client.pause_download(found.id)
        elif resume:
            found = client.resume_download(found.id)
        elif first:
            client.order_downloads([found.id])
        elif cancel:
            ended = client.cancel_download(found.id, keep_partial=keep_partial)
            if isinstance(ended, RemovedDownload):
                gone = f"{found.id} is forgotten."
                return write_json(ended) if json else console().print(gone)
            found = ended
    if json:
        write_json(found)
    else:
        console().print(facts_table(download_facts(found)))


def _found(client: Client, name: str) -> DownloadBody:
    """The download of that id, or the newest of that model. Raises NotFound."""
    for download in client.downloads().data:
        if download.model_id == name:
            return download
    if "/" in name:
        raise NotFound(
            f"There is no download of {name}.",
            hint="`mlx-gui downloads` shows those that there are.",
        )
    return client.download(name)


def _show_all(client: Client, *, json: bool) -> None:
    downloads = client.downloads()
    if json:
        write_json(downloads)
    elif not downloads.data:
        console().print("There are no downloads.")
    else:
        table = plain_table("Download", "Model", "State", "Progress", wraps="Progress")
        for download in downloads.data:
            table.add_row(download.id, download.model_id, download.state, words(download))
        console().print(table)


def download_facts(download: DownloadBody) -> list[tuple[str, str]]:
    """Names and values of all that there is to say of it."""
    facts = [
        ("Download", download.id),
        ("Model", download.model_id),
        ("Revision", f"{download.requested_revision}, {download.revision}"),
        ("State", download.state),
        ("Progress", words(download)),
        ("Files", f"{download.files_done} of {download.files_total}"),
    ]
    if download.current_file is not None:
        facts.append(("File", download.current_file))
    if download.error is not None:
        facts.append(("Reason", f"{download.error.message} {download.error.hint}".strip()))
    return facts
