"""`mlx-gui unload`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, OptionalModelName, Url
from mlx_gui.cli.output import console, write_json
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.models import UnloadAllResult, UnloadResult


def command(
    model: OptionalModelName = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every model in memory.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also while it answers; these answers break off.")
    ] = False,
    when_idle: Annotated[
        bool, typer.Option("--when-idle", help="As soon as running answers have finished.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Waits until the memory is free again."""
    if (model is None) != every:
        raise typer.BadParameter("Name a MODEL, or all of them with --all.")
    result: UnloadResult | UnloadAllResult
    with connect(url, data_dir) as client:
        if model is None:
            result = client.unload_all(force=force, when_idle=when_idle)
        else:
            result = client.unload(model, force=force, when_idle=when_idle)
    if json:
        write_json(result)
        return
    for sentence in unload_sentences(result):
        console().print(sentence)


def unload_sentences(result: UnloadResult | UnloadAllResult) -> list[str]:
    """What happened, with the memory that came back."""
    if isinstance(result, UnloadResult):
        return [unload_sentence(result)]
    said = [unload_sentence(each) for each in result.models]
    said += [f"{each.id} stays: {each.reason}" for each in result.busy]
    return said or ["No model was in memory."]


def unload_sentence(result: UnloadResult) -> str:
    """What became of one model, and what the machine has available since."""
    if not result.was_loaded:
        return f"{result.model.id} was not loaded."
    said = f"{result.model.id} is unloaded; {format_bytes(result.freed_bytes)} are free again."
    if (back := result.returned) is not None:
        said += (
            f" The machine has {format_bytes(back.available_after_bytes)} available, before it had "
            f"{format_bytes(back.available_before_bytes)}."
        )
    return said
