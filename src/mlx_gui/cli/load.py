"""`mlx-gui load`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, ModelName, Url
from mlx_gui.cli.output import console, report_error, write_json
from mlx_gui.cli.plan import Context, show_plan
from mlx_gui.core.errors import PlanChanged
from mlx_gui.core.units import format_bytes, format_duration
from mlx_gui.wire.models import LoadResult


def command(
    model: ModelName,
    *,
    context: Context = None,
    plan_token: Annotated[
        str | None,
        typer.Option("--plan-token", metavar="TOKEN", help="Only as `mlx-gui plan` said."),
    ] = None,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Waits until the model is ready to answer."""
    with connect(url, data_dir) as client:
        try:
            with console(stderr=True).status(f"Loading {model}"):
                result = client.load(model, context=context, plan_token=plan_token)
        except PlanChanged as changed:
            report_error(changed.message, changed.hint)
            if not json:
                show_plan(client, client.plan(model, context=context), context)
            raise typer.Exit(1) from None
    if json:
        write_json(result)
    else:
        console().print(load_sentence(result))


def load_sentence(result: LoadResult) -> str:
    """What happened, with the time and the memory that it took."""
    model = result.model
    size = "" if model.memory is None else f", {format_bytes(model.memory.total_bytes)} of memory"
    if result.already_loaded:
        return f"{model.id} was already loaded{size}."
    return f"{model.id} is ready after {format_duration(result.duration_ms / 1000)}{size}."
