"""Parameters that several commands share."""

from typing import Annotated

import typer


def complete_models(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of installed models for the shell, from the running server; none when it is not there."""
    from mlx_gui.cli.connection import find_server
    from mlx_gui.client import ServerUnreachable
    from mlx_gui.config import SettingsError
    from mlx_gui.core.errors import MlxGuiError

    url, data_dir = context.params.get("url"), context.params.get("data_dir")
    try:
        with find_server(url, data_dir, timeout_s=0.5) as client:
            ids = [model.id for model in client.models().data]
    except (ServerUnreachable, MlxGuiError, SettingsError):
        return []
    return [model_id for model_id in ids if model_id.startswith(incomplete)]


ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Id of an installed model; its last part is enough when no other model shares it.",
        autocompletion=complete_models,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Wait = Annotated[
    bool,
    typer.Option("--wait/--no-wait", help="Follow it to its end; it goes on by itself otherwise."),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="Address of the server, when it has another data directory."
    ),
]
DataDir = Annotated[
    str | None,
    typer.Option("--data-dir", metavar="FOLDER", help="Data directory of the server."),
]
OptionalModelName = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="Id of an installed model; its last part is enough when no other model shares it.",
        autocompletion=complete_models,
    ),
]
