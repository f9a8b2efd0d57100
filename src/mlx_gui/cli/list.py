"""`mlx-gui list`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.models import ModelObject

_WIDE = 120
_LONGEST_LICENCE = 24


def command(
    *,
    rescan: Annotated[
        bool, typer.Option("--rescan", help="Search the model folders anew first.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    with connect(url, data_dir) as client:
        found = client.rescan() if rescan else client.models()
        folders = [] if found.data or json else client.system().server.model_dirs
    if json:
        write_json(found)
    elif not found.data:
        console().print(
            f"No models are installed. These folders are searched: {', '.join(folders)}"
        )
    else:
        columns = ["Model", "Kind", ">Parameters", "Weights", ">Size", ">Context", "State"]
        rows = [list(model_row(model)) for model in found.data]
        # At 100 characters ids, figures and states leave no room for more.
        if console().width >= _WIDE and any(model.license for model in found.data):
            columns.insert(-1, "Licence")
            for row, model in zip(rows, found.data, strict=True):
                row.insert(-1, licence_name(model))
        if any(model.aliases for model in found.data):
            columns.insert(1, "Aliases")
            for row, model in zip(rows, found.data, strict=True):
                row.insert(1, ", ".join(model.aliases) or "-")
        table = plain_table(*columns, wraps="State")
        for row in rows:
            table.add_row(*row)
        console().print(table)


def model_row(model: ModelObject) -> tuple[str, ...]:
    """Model, kind, parameters, weights, size, context, state; the reason if it cannot be served."""
    return (
        model.id,
        "adapter" if model.base_model else model.kind or "-",
        "-" if model.parameter_count is None else short_count(model.parameter_count),
        model.quantization or "-",
        format_bytes(model.disk_bytes),
        "-" if model.context_length is None else f"{model.context_length:,}",
        _state(model),
    )


def licence_name(model: ModelObject) -> str:
    """What its owner calls the licence, cut where that is a whole sentence."""
    name = model.license or "-"
    return name if len(name) <= _LONGEST_LICENCE else f"{name[: _LONGEST_LICENCE - 1]}…"


def short_count(count: int) -> str:
    """`134515008` as `135M`: three digits and a letter."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)


def _state(model: ModelObject) -> str:
    if model.state == "away":
        return model.problem or "away"
    if model.problem is not None:
        return f"cannot be served: {model.problem}"
    if model.error is not None:
        return f"failed: {model.error.message}"
    if model.state == "loading" and model.load_progress is not None:
        return f"loading, {model.load_progress:.0%}"
    return "-" if model.state == "not_loaded" else model.state
