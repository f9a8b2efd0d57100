"""`mlx-gui restore`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.client import Client
from mlx_gui.core.errors import NotFound
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.removals import TrashEntryBody, TrashList


def command(
    removed: Annotated[
        str | None,
        typer.Argument(
            metavar="TRASH-ID|MODEL", help="What is to come back; without it, all that can."
        ),
    ] = None,
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete it for good in place of that.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Without an argument the trash is listed.

    Of a model that was removed more than once the latest comes back.
    """
    if removed is None and delete:
        raise typer.BadParameter("Name what is to be deleted.")
    with connect(url, data_dir) as client:
        trash = client.trash()
        if removed is None:
            _show(trash, json=json)
            return
        _act(client, chosen(trash, removed), delete=delete, json=json)


def chosen(trash: TrashList, name: str) -> TrashEntryBody:
    """The entry with that id, or the latest of that model. Raises NotFound."""
    named = [
        *(entry for entry in trash.data if entry.id == name),
        *(entry for entry in trash.data if entry.model == name),
        *(entry for entry in trash.data if entry.model.rpartition("/")[2] == name),
    ]
    if named:
        return named[0]
    raise NotFound(
        f"There is nothing called '{name}' in the trash.",
        hint="`mlx-gui restore` shows what there is.",
    )


def _act(client: Client, entry: TrashEntryBody, *, delete: bool, json: bool) -> None:
    if delete:
        deleted = client.delete_trash(entry.id)
        said = f"{entry.model} is deleted; {format_bytes(deleted.freed_bytes)} are free again."
        return write_json(deleted) if json else console().print(said)
    restored = client.restore(entry.id)
    said = f"{restored.id} is back at {', '.join(restored.places)}."
    return write_json(restored) if json else console().print(said)


def _show(trash: TrashList, *, json: bool) -> None:
    if json:
        write_json(trash)
    elif not trash.data:
        console().print("The trash is empty.")
    else:
        table = plain_table("Trash id", "Model", ">Size", "Removed", "Kept until", wraps="Model")
        for entry in trash.data:
            table.add_row(*trash_row(entry))
        console().print(table)


def trash_row(entry: TrashEntryBody) -> tuple[str, ...]:
    """Id, model, size, when it was removed, until when it can come back."""
    return (
        entry.id,
        entry.model,
        format_bytes(entry.freed_bytes),
        entry.removed_at,
        entry.undo_until,
    )
