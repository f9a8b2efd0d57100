"""The settings of the server as JSON."""

import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import cast

from mlx_gui.config import Config
from mlx_gui.core.setting_row import Setting
from mlx_gui.wire.server_settings import PendingValue, ServerSettingBody, ServerSettingsBody


def settings_body(
    rows: Iterable[Setting],
    config: Config,
    *,
    after_restart: Config,
    changeable: Collection[str],
    problems: Iterable[str],
) -> ServerSettingsBody:
    """Every one of `rows`: what holds, and what would after a restart."""
    settings = {
        row.name: _setting_body(row, config, after_restart, changeable=row.name in changeable)
        for row in rows
    }
    return ServerSettingsBody(
        settings=settings,
        restart_pending=any(body.pending is not None for body in settings.values()),
        problems=list(problems),
    )


def _setting_body(
    row: Setting, config: Config, after_restart: Config, *, changeable: bool
) -> ServerSettingBody:
    value, later = getattr(config, row.name), getattr(after_restart, row.name)
    pending = PendingValue(value=_shown(row, later), source=after_restart.sources[row.name])
    return ServerSettingBody(
        value=_shown(row, value),
        default=_shown(row, row.default),
        source=config.sources[row.name],
        restart=row.restart,
        reload=row.reload,
        pending=pending if later != value else None,
        changeable=changeable,
        secret=row.secret,
        type=row.type,
        unit=row.unit,
        bounds=None if math.inf in row.bounds or row.choices else row.bounds,
        choices=list(row.choices),
        words=list(row.words),
        help=row.help,
    )


def _shown(row: Setting, value: object) -> object:
    """`value` as JSON; folders as text, secrets not at all."""
    if row.secret:
        return None
    if isinstance(value, tuple):
        return [str(member) for member in cast("tuple[object, ...]", value)]
    return str(value) if isinstance(value, Path) else value
