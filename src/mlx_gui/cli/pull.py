"""`mlx-gui pull`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.following import follow, progress_words
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, write_json
from mlx_gui.wire.models import ModelObject


def command(
    model: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Id of a model on the hub.")],
    *,
    revision: Annotated[
        str | None,
        typer.Option("--revision", metavar="NAME", help="A branch, a tag or a commit."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file", metavar="PATTERN", help="Take these weights, like `*Q4_K_M.gguf`; repeatable."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="ALIAS", help="What it is to be called, too.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow the download until it has ended.")
    ] = True,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Only what serving needs is fetched, and all of it is verified.

    Ctrl-C pauses the download; the same command goes on with it. It also goes on when the server
    was stopped and starts again.
    """
    with connect(url, data_dir) as client:
        with console(stderr=True).status(f"Asking the hub for {model}"):
            found = client.install(model, name=name, revision=revision, files=file or ())
        if isinstance(found, ModelObject):
            return write_json(found) if json else console().print(f"{found.id} is installed.")
        if wait:
            found = follow(client, found)
    if json:
        write_json(found)
    elif found.state == "done":
        console().print(f"{found.model_id} is installed, {progress_words(found)}.")
    else:
        console().print(
            f"{found.model_id} is {found.state} as {found.id}, {progress_words(found)}. "
            "`mlx-gui downloads` shows how far it is."
        )
