"""`mlx-gui config`."""

from pathlib import Path
from typing import Any, cast

from mlx_gui.cli.changes import Changes, Resets, read_changes
from mlx_gui.cli.connection import connect, find_server
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.client import ServerUnreachable
from mlx_gui.config import Config, resolve
from mlx_gui.core.setting_row import Setting
from mlx_gui.server_settings import ROWS, SERVER_SETTINGS
from mlx_gui.wire.server_settings import ServerSettingsBody

_SECRET = "(secret)"


def command(
    changes: Changes = None,
    *,
    reset: Resets = None,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """A later source wins: default, file, interface, environment, command line.

    The file is config.toml in the data directory. What is changed here is kept by the running
    server as a setting of the interface. While none runs, file and environment are shown.
    """
    wanted = read_changes(changes or [], SERVER_SETTINGS) | dict.fromkeys(reset or [])
    if wanted or url is not None:
        with connect(url, data_dir) as client:
            answer = client.change_settings(wanted) if wanted else client.settings()
    else:
        answer = _of_running_server(data_dir)
    if answer is None:
        _show_config(resolve(flags={"data_dir": data_dir}), json=json)
    elif json:
        write_json(running_json(answer))
    else:
        _show_running(answer)


def settings_json(config: Config) -> dict[str, dict[str, object]]:
    """Value, unit and source by name; folders as text."""
    return {
        row.name: {
            "value": None if row.secret else _plain(getattr(config, row.name)),
            "unit": row.unit or None,
            "source": config.sources[row.name],
        }
        for row in SERVER_SETTINGS
    }


def running_json(answer: ServerSettingsBody) -> dict[str, dict[str, object]]:
    """The same of a running server, with what a restart would change."""
    return {
        name: {
            "value": body.value,
            "unit": body.unit or None,
            "source": body.source,
            "pending": body.pending and body.pending.model_dump(),
        }
        for name, body in answer.settings.items()
    }


def shown_value(config: Config, row: Setting) -> str:
    """A setting's value as it could be typed on the command line."""
    return _typed(row, getattr(config, row.name))


def _of_running_server(data_dir: str | None) -> ServerSettingsBody | None:
    try:
        with find_server(None, data_dir) as client:
            return client.settings()
    except ServerUnreachable:
        return None


def _show_config(config: Config, *, json: bool) -> None:
    if json:
        write_json(settings_json(config))
        return
    table = plain_table("Setting", "Value", "Unit", "Source", wraps="Value")
    for row in SERVER_SETTINGS:
        table.add_row(row.name, shown_value(config, row), row.unit, config.sources[row.name])
    console().print(table)


def _show_running(answer: ServerSettingsBody) -> None:
    columns = ["Setting", "Value", "Unit", "Source"]
    columns += ["After a restart"] if answer.restart_pending else []
    table = plain_table(*columns, wraps="Value")
    for name, body in answer.settings.items():
        # A server of another version may have settings that are not known here.
        row = ROWS.get(name) or Setting(name, body.type, None, body.help)
        cells = [name, _typed(row, body.value), body.unit, body.source]
        if answer.restart_pending:
            cells.append("" if body.pending is None else _typed(row, body.pending.value))
        table.add_row(*cells)
    console().print(table)
    for problem in answer.problems:
        console(stderr=True).print(problem, style="dim")


def _typed(row: Setting, value: Any) -> str:
    if row.secret:
        return _SECRET
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return row.separator.join(map(str, cast("tuple[object, ...]", value))) or "-"
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [str(member) for member in cast("tuple[object, ...]", value)]
    return str(value) if isinstance(value, Path) else value
