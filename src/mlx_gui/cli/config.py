"""`mlx-gui config`."""

from pathlib import Path
from typing import cast

from mlx_gui.cli.options import DataDir, Json
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.config import SETTINGS, Config, resolve
from mlx_gui.core.settings import Setting


def command(*, json: Json = False, data_dir: DataDir = None) -> None:
    """A later source wins: default, file, interface, environment, command line.

    The file is config.toml in the data directory.
    """
    config = resolve(flags={"data_dir": data_dir})
    if json:
        write_json(settings_json(config))
        return
    table = plain_table("Setting", "Value", "Unit", "Source", wraps="Value")
    for row in SETTINGS:
        table.add_row(row.name, shown_value(config, row), row.unit, config.sources[row.name])
    console().print(table)


def settings_json(config: Config) -> dict[str, dict[str, object]]:
    """Value, unit and source by name; folders as text."""
    return {
        row.name: {
            "value": _plain(getattr(config, row.name)),
            "unit": row.unit or None,
            "source": config.sources[row.name],
        }
        for row in SETTINGS
    }


def shown_value(config: Config, row: Setting) -> str:
    """A setting's value as it could be typed on the command line."""
    value: object = getattr(config, row.name)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return row.separator.join(map(str, cast("tuple[object, ...]", value))) or "-"
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [str(member) for member in cast("tuple[object, ...]", value)]
    return str(value) if isinstance(value, Path) else value
