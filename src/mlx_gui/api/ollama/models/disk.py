"""What of a model is read from its folder for each request: when it changed."""

from pathlib import Path

from mlx_gui.core.model import Model


def modified_s(model: Model) -> float | None:
    """Unix time at which the model's config.json changed; None when there is none."""
    try:
        return (Path(model.path) / "config.json").stat().st_mtime
    except OSError:
        return None
