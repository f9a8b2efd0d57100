"""The JSON of the settings of one model."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from mlx_gui.core.setting_row import ModelSource


class ModelSettingBody(BaseModel):
    """One setting; null leaves it to the model's files. `default` is what a reset gives.

    One of `words` may stand in the place of a number within `bounds`.
    With `reload` a change holds from the model's next load on.
    """

    value: Any
    default: Any
    source: ModelSource
    reload: bool
    type: Literal["text", "lines", "integer", "number", "switch", "list", "object"]
    unit: str
    bounds: tuple[float, float] | None
    choices: list[str]
    words: list[str]
    help: str


class ModelSettingsBody(BaseModel):
    """Every setting of a model by its name.

    `reload_pending` says that the model is loaded with others: the next request waits until those
    under way have ended, and loads it anew.
    """

    model: str
    settings: dict[str, ModelSettingBody]
    reload_pending: bool


class ModelSettingsChange(BaseModel):
    """Values by name; null resets a setting."""

    model_config = ConfigDict(strict=True)

    settings: dict[str, Any]
