"""`mlx-gui convert`."""

from typing import Annotated, Literal

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.job_progress import follow_job
from mlx_gui.cli.options import DataDir, Json, ModelName, Url, Wait
from mlx_gui.cli.output import console, write_json


def command(
    model: ModelName,
    *,
    bits: Annotated[
        int | None, typer.Option("--bits", metavar="N", help="Bits of a weight; 4 is usual.")
    ] = None,
    group_size: Annotated[
        int | None,
        typer.Option("--group-size", metavar="N", help="Weights that share a scale; 64 is usual."),
    ] = None,
    mode: Annotated[
        Literal["affine", "mxfp4", "nvfp4", "mxfp8"], typer.Option("--mode", help="How.")
    ] = "affine",
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What the new model is to be called."),
    ] = None,
    wait: Wait = True,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Packs the weights of a model into fewer bits, as a new model; the old one stays."""
    with connect(url, data_dir) as client:
        job = client.convert(model, bits=bits, group_size=group_size, mode=mode, name=name)
        if wait:
            job = follow_job(client, job)
    if json:
        write_json(job)
    else:
        console().print(f"{job.title}: {job.state}")
