"""`mlx-gui start`: the one command that is the server; its flags are the rows of the settings."""

import gc
import inspect
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Annotated, cast

import typer

from mlx_gui.core.setting_row import Setting
from mlx_gui.server_settings import SERVER_SETTINGS

_METAVARS = {"s": "SECONDS", "bytes": "BYTES", "tokens": "TOKENS"}


def command(*, starter: bool, open_browser: bool, **flags: str | bool | None) -> None:
    """It runs until Ctrl-C or SIGTERM; answers under way get time to finish.

    Every flag can also be set by its MLX_GUI_ variable or in config.toml in the data directory;
    `mlx-gui config` shows what holds.
    """
    # Imports make no garbage worth looking for; the server turns it on again when it serves.
    gc.disable()
    with hidden("rich"):  # structlog would import it for tracebacks that we never draw
        from mlx_gui.serve import run

    raise typer.Exit(run(flags, starter=starter, open_browser=open_browser))


@contextmanager
def hidden(name: str) -> Generator[None]:
    """As if the package `name` were not installed, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = cast(ModuleType, None)
    try:
        yield
    finally:
        del sys.modules[name]


def _parameter(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _flag(row: Setting) -> inspect.Parameter:
    """A row's flag, typed as text: the settings table reads and judges it as it does a variable."""
    spelled = row.name.replace("_", "-")
    if row.type == "switch":
        option = typer.Option(f"--{spelled}/--no-{spelled}", help=row.help, show_default=False)
        return _parameter(row.name, Annotated[bool | None, option], None)
    metavar = "|".join(row.choices) or _METAVARS.get(row.unit) or row.type.upper()
    option = typer.Option(f"--{spelled}", metavar=metavar, help=_with_default(row))
    return _parameter(row.name, Annotated[str | None, option], None)


def _with_default(row: Setting) -> str:
    if row.default is None or row.default == ():
        return row.help
    shown = f"{row.default:g}" if row.type == "number" else row.default
    return f"{row.help} [default: {shown}]"


def _signature() -> inspect.Signature:
    starter = typer.Option("--starter/--no-starter", help="Install the embedded starter model.")
    open_browser = typer.Option("--open/--no-open", help="Open the web interface in a browser.")
    return inspect.Signature(
        [
            # Everybody on the machine can read the arguments of its processes.
            *(_flag(row) for row in SERVER_SETTINGS if not row.secret),
            _parameter("starter", Annotated[bool, starter], False),
            _parameter("open_browser", Annotated[bool, open_browser], False),
        ]
    )


# Typer reads a command's options from its signature.
command.__signature__ = _signature()  # pyright: ignore[reportFunctionMemberAccess]
