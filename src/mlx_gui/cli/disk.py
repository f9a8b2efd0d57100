"""`mlx-gui disk`."""

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, facts_table, plain_table, write_json
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.disk import DiskUse, FolderOnDisk, ModelOnDisk


def command(*, json: Json = False, url: Url = None, data_dir: DataDir = None) -> None:
    """Each file is counted once; what several models share counts for the first of them."""
    with connect(url, data_dir) as client:
        disk = client.disk()
    if json:
        write_json(disk)
        return
    for folder in disk.folders:
        console().print(facts_table(folder_facts(folder)))
        if folder.models:
            table = plain_table("  Model", ">Size", "Last used", wraps="  Model")
            for model in folder.models:
                table.add_row(*model_row(model))
            console().print(table)
        console().print()
    console().print(facts_table(data_facts(disk)))


def folder_facts(folder: FolderOnDisk) -> list[tuple[str, str]]:
    """Names and values of one model folder; what is nothing is left out."""
    facts = [("Folder", folder.path)]
    if folder.free_bytes is None or folder.total_bytes is None:
        return [*facts, ("Disk", "away" if folder.away else "the folder is not there yet")]
    free, total = format_bytes(folder.free_bytes), format_bytes(folder.total_bytes)
    facts += [("Free", f"{free} of {total}"), ("Models", format_bytes(folder.models_bytes))]
    more = {
        "Downloads": folder.downloads_bytes,
        "Trash": folder.trash_bytes,
        "Other": folder.other_bytes,
    }
    return [*facts, *((name, format_bytes(size)) for name, size in more.items() if size)]


def model_row(model: ModelOnDisk) -> tuple[str, ...]:
    """Model, size, when it was used last."""
    return f"  {model.id}", format_bytes(model.disk_bytes), model.last_used_at or "-"


def data_facts(disk: DiskUse) -> list[tuple[str, str]]:
    """What the server itself keeps."""
    free = "-" if disk.data_free_bytes is None else format_bytes(disk.data_free_bytes)
    return [
        ("Data directory", disk.data_dir),
        ("Database", format_bytes(disk.data_bytes)),
        ("Cache", format_bytes(disk.cache_bytes)),
        ("Free", free),
    ]
