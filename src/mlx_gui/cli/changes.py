"""`NAME=VALUE` as changes of settings."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from mlx_gui.core.setting_row import Setting, from_text

Changes = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME=VALUE", help="Settings to change; @FILE is a file."),
]
Resets = Annotated[
    list[str] | None,
    typer.Option("--reset", metavar="NAME", help="Forget what was set; repeatable."),
]


def read_changes(changes: Iterable[str], rows: Iterable[Setting]) -> dict[str, object]:
    """Values by name out of `NAME=VALUE`, typed as far as the text allows; the server judges."""
    known = {row.name: row for row in rows}
    values: dict[str, object] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{change} should be like NAME=VALUE.")
        if text.startswith("@"):
            text = _read_file(text[1:])
        values[name] = from_text(known[name], text) if name in known else text
    return values


def _read_file(name: str) -> str:
    try:
        return Path(name).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, RuntimeError):
        raise typer.BadParameter(f"{name} cannot be read as text.") from None
