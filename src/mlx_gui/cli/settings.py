"""`mlx-gui settings`."""

import json as json_format

from mlx_gui.cli.changes import Changes, Resets, read_changes
from mlx_gui.cli.chat import printable
from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, ModelName, Url
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.model_settings import MODEL_SETTINGS
from mlx_gui.wire.model_settings import ModelSettingBody, ModelSettingsBody

_LONGEST_SHOWN = 60


def command(
    model: ModelName,
    changes: Changes = None,
    *,
    reset: Resets = None,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Without changes it shows what holds.

    A change holds from the next load on: a loaded model is loaded anew for the next request.
    """
    wanted = read_changes(changes or [], MODEL_SETTINGS) | dict.fromkeys(reset or [])
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
