"""The settings of a model as JSON."""

import math

from mlx_gui.config import Config
from mlx_gui.core.setting_row import ModelSettings
from mlx_gui.model_settings import MODEL_SETTINGS, inherited
from mlx_gui.wire.model_settings import ModelSettingBody, ModelSettingsBody


def settings_body(
    model_id: str, settings: ModelSettings, config: Config, *, reload_pending: bool
) -> ModelSettingsBody:
    """Every row, with what holds for the model and what would if it were not set."""
    return ModelSettingsBody(
        model=model_id,
        settings={
            row.name: ModelSettingBody(
                value=getattr(settings, row.name),
                default=inherited(row, config),
                source=settings.sources[row.name],
                reload=row.restart,
                type=row.type,
                unit=row.unit,
                bounds=None if math.inf in row.bounds or row.choices else row.bounds,
                choices=list(row.choices),
                words=list(row.words),
                help=row.help,
            )
            for row in MODEL_SETTINGS
        },
        reload_pending=reload_pending,
    )
