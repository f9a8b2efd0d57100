"""`mlx-gui unload`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, ModelName, Url
from mlx_gui.cli.output import console, write_json
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.models import UnloadResult


def command(
    model: ModelName,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also while it answers; these answers break off.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Waits until the memory is free again."""
    with connect(url, data_dir) as client:
        result = client.unload(model, force=force)
    if json:
        write_json(result)
    else:
        console().print(unload_sentence(result))


def unload_sentence(result: UnloadResult) -> str:
    """What happened, with the memory that came back."""
    if not result.was_loaded:
        return f"{result.model.id} was not loaded."
    return f"{result.model.id} is unloaded; {format_bytes(result.freed_bytes)} are free again."
