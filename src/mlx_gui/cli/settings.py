"""`mlx-gui settings`."""

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from mlx_gui.cli.chat import printable
from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, ModelName, Url
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.core.settings import from_text
from mlx_gui.model_settings import MODEL_SETTINGS
from mlx_gui.wire.model_settings import ModelSettingBody, ModelSettingsBody

_LONGEST_SHOWN = 60


def command(
    model: ModelName,
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Settings to change; @FILE is a file."),
    ] = None,
    *,
    reset: Annotated[
        list[str] | None,
        typer.Option("--reset", metavar="NAME", help="Forget what was set; repeatable."),
    ] = None,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Without changes it shows what holds.

    A change holds from the next load on: a loaded model is loaded anew for the next request.
    """
    wanted = read_changes(changes or []) | dict.fromkeys(reset or [])
    with connect(url, data_dir) as client:
        answer = (
            client.change_model_settings(model, wanted) if wanted else client.model_settings(model)
        )
    if json:
        write_json(answer)
        return
    table = plain_table("Setting", "Value", "Unit", "Source", wraps="Value")
    for name, row in answer.settings.items():
        table.add_row(name, shown_value(row), row.unit, row.source)
    console().print(table)
    if answer.reload_pending:
        console(stderr=True).print(pending_sentence(answer), style="dim")


def read_changes(changes: list[str]) -> dict[str, object]:
    """Values by name out of `NAME=VALUE`, typed as far as the text allows; the server judges."""
    rows = {row.name: row for row in MODEL_SETTINGS}
    values: dict[str, object] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise typer.BadParameter(f"{change} should be like NAME=VALUE.")
        if text.startswith("@"):
            text = _read_file(text[1:])
        values[name] = from_text(rows[name], text) if name in rows else text
    return values


def shown_value(row: ModelSettingBody) -> str:
    """A value as it could be typed; a long one is cut."""
    if row.value is None:
        return "-"
    if row.type == "switch":
        return "on" if row.value else "off"
    if row.type == "object":
        text = json_format.dumps(row.value, ensure_ascii=False)
    else:
        text = " ".join(str(row.value).split())
    return printable(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


def pending_sentence(answer: ModelSettingsBody) -> str:
    """When the change takes place."""
    return f"{answer.model} is loaded with other settings; its next request loads it anew."


def _read_file(name: str) -> str:
    try:
        return Path(name).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, RuntimeError):
        raise typer.BadParameter(f"{name} cannot be read as text.") from None
