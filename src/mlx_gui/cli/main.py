"""The command line: the list of commands, and what to do with their errors.

A command's module is imported when the command is called, so `mlx-gui --help` stays quick. Each
module has a function `command`; its signature and docstring are the command's options and help.
"""

import inspect
import os
from collections.abc import Mapping
from importlib import import_module
from keyword import iskeyword
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mlx_gui.config import SettingsError
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.version import __version__

COMMANDS: Mapping[str, str] = {
    "start": "Start the server.",
    "status": "Show the server, the machine and its memory.",
    "search": "Search the hub for models.",
    "info": "Show all about one model, on the hub and here.",
    "list": "List the installed models.",
    "alias": "Give a model another name, or list these names.",
    "ps": "List the models in memory.",
    "load": "Load a model into memory.",
    "unload": "Unload a model from memory.",
    "plan": "Show what loading a model would need, evict and leave.",
    "why": "Say why a model is in memory, or is not.",
    "pull": "Download a model from the hub.",
    "downloads": "List downloads; pause, resume or cancel one.",
    "rm": "Remove a model from the disk, into a trash.",
    "restore": "Bring a removed model back, or list what can come back.",
    "disk": "Show what models, trash and caches take of the disks.",
    "jobs": "List work that takes long; pause, resume or cancel it.",
    "import": "Import a model folder or a GGUF file of this machine.",
    "convert": "Pack a model's weights into fewer bits.",
    "benchmark": "Measure how fast a model reads and writes here.",
    "logs": "Show what the server has logged, and follow it.",
    "settings": "Show and change the settings of one model.",
    "transcribe": "Write down what is said in files of sound.",
    "speak": "Speak a text.",
    "run": "Chat with a model in the terminal.",
    "embed": "Make vectors of texts.",
    "config": "Show and change the settings of the server.",
    "service": "Start the server at login, and again after a failure.",
    "app": "Show the interface in a window of its own.",
    "tray": "Show an icon with a menu in the menu bar or the system tray.",
    "doctor": "Examine this machine and say what to do about what is wrong.",
    "update": "Say whether there is a newer version, and how it comes.",
    "version": "Show the versions of mlx-gui and of what it computes with.",
}


def run_command_line() -> None:
    """Run what `sys.argv` asks for. Ends with SystemExit: 1 after an error, 2 for wrong usage."""
    try:
        build_command_line().main(prog_name="mlx-gui")
    except SettingsError as error:
        _end(str(error), "", code=2)
    except MlxGuiError as error:
        _end(error.message, error.hint, code=1)


def build_command_line() -> TyperGroup:
    """All commands under one group, none of their modules imported yet."""
    root = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
    root.callback()(_root)
    group = get_command(root)
    assert isinstance(group, TyperGroup)
    for name, summary in COMMANDS.items():
        group.add_command(LazyCommand(name, summary))
    return group


class LazyCommand(TyperCommand):
    """A row of the command list, which stands for the command until somebody calls it."""

    def __init__(self, name: str, summary: str) -> None:
        super().__init__(name, help=summary, rich_markup_mode=None)
        self._row = (name, summary)

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        try:
            return self._resolve().make_context(info_name, args, *rest, **extra)
        except typer.BadParameter as refusal:
            from mlx_gui.cli.wrong_values import explained

            raise explained(refusal) from None

    def _resolve(self) -> Any:
        """The command itself, from its module."""
        name, summary = self._row
        # A word of Python's own, like import, cannot be a module's whole name.
        module = f"{name}_" if iskeyword(name) else name
        function = import_module(f"mlx_gui.cli.{module}").command
        details = inspect.getdoc(function)
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        app.command(name, help=f"{summary}\n\n{details}" if details else summary)(function)
        return get_command(app)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlx-gui {__version__}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_say_version, help="Show the version and exit."
        ),
    ] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="Print without colours, as NO_COLOR=1 does.")
    ] = False,
) -> None:
    """A private AI server for this machine: MLX models behind OpenAI endpoints."""
    if no_color:
        os.environ["NO_COLOR"] = "1"


def _end(message: str, hint: str, *, code: int) -> NoReturn:
    from mlx_gui.cli.output import report_error

    report_error(message, hint)
    raise SystemExit(code)
