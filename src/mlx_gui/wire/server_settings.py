"""The JSON of the settings of the server."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from mlx_gui.core.setting_row import Source


class PendingValue(BaseModel):
    """What a setting will be after a restart, and by what."""

    value: Any
    source: Source


class ServerSettingBody(BaseModel):
    """One setting. Where `value` or `default` is secret it is null.

    `default` is null too where it follows from the machine. With `restart` a change waits for the
    next start of the server, with `reload` it holds for each model from its next load on, else it
    holds at once. `pending` is null unless a restart would change the value. `changeable` is false
    where environment or command line have set it, or where it decides in which folder changes are
    kept. One of `words` may stand in the place of a number within `bounds`.
    """

    value: Any
    default: Any
    source: Source
    restart: bool
    reload: bool
    pending: PendingValue | None
    changeable: bool
    secret: bool
    type: Literal["text", "lines", "integer", "number", "switch", "list", "object"]
    unit: str
    bounds: tuple[float, float] | None
    choices: list[str]
    words: list[str]
    help: str


class ServerSettingsBody(BaseModel):
    """Every setting of the server by its name.

    `restart_pending` says that a restart would change some. `problems` are sentences about what
    cannot stand: values that were kept and are ignored, and what would end the next start.
    """

    settings: dict[str, ServerSettingBody]
    restart_pending: bool
    problems: list[str]


class ServerSettingsChange(BaseModel):
    """Values by name; null resets a setting."""

    model_config = ConfigDict(strict=True)

    settings: dict[str, Any]
