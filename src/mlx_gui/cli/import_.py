"""`mlx-gui import`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.job_progress import follow_job
from mlx_gui.cli.options import DataDir, Json, Url, Wait
from mlx_gui.cli.output import console, write_json


def command(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A model folder, or a file that ends in .gguf.")
    ],
    *,
    mode: Annotated[
        Literal["copy", "link", "move"],
        typer.Option("--mode", help="What happens to a folder; a GGUF file is converted."),
    ] = "copy",
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What the model is to be called.")
    ] = None,
    wait: Wait = True,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """The model is there whole in the end, or not at all."""
    with connect(url, data_dir) as client:
        job = client.import_model(str(Path(path).absolute()), mode=mode, name=name)
        if wait:
            job = follow_job(client, job)
    if json:
        write_json(job)
    else:
        console().print(f"{job.title}: {job.state}")
