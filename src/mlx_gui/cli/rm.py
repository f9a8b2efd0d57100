"""`mlx-gui rm`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, ModelName, Url
from mlx_gui.cli.output import console, write_json
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.removals import RemovedModelBody


def command(
    model: ModelName,
    *,
    keep_files: Annotated[
        bool,
        typer.Option("--keep-files", help="Only hide it, until `mlx-gui list --rescan`."),
    ] = False,
    for_good: Annotated[
        bool,
        typer.Option("--for-good", help="Delete its files at once; a full disk has room for that."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also while it answers; these answers break off.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """It leaves memory, and its files go to a trash on the same disk.

    `mlx-gui restore` brings it back as long as it is there. Of a Hugging Face cache only that goes
    which no other revision or repo shares.
    """
    if keep_files and for_good:
        raise typer.BadParameter("--keep-files and --for-good exclude each other.")
    with connect(url, data_dir) as client:
        removed = client.remove(model, keep_files=keep_files, for_good=for_good, force=force)
    if json:
        write_json(removed)
        return
    for sentence in removal_sentences(removed, kept=keep_files):
        console().print(sentence)


def removal_sentences(removed: RemovedModelBody, *, kept: bool = False) -> list[str]:
    """What happened, and how to undo it; `kept` says that its files stay."""
    if removed.trash_id is not None:
        said = [
            f"{removed.id} is in the trash; {format_bytes(removed.freed_bytes)} are free once that "
            "is emptied.",
            f"Until {removed.undo_until}, `mlx-gui restore {removed.trash_id}` brings it back, and "
            f"`mlx-gui restore {removed.trash_id} --delete` deletes it for good.",
        ]
    elif not kept:
        said = [f"{removed.id} is deleted; {format_bytes(removed.freed_bytes)} are free again."]
    else:
        said = [f"{removed.id} is hidden; its files stay. `mlx-gui list --rescan` shows it again."]
    if removed.other_revisions:
        revisions = ", ".join(removed.other_revisions)
        said.append(f"Other revisions stay in the cache for other programs: {revisions}.")
    return said
