"""The engine for models that see: the text engine with a loader of its own."""

import importlib

from mlx_gui.engines.base import Engine
from mlx_gui.engines.text import engine as text
from mlx_gui.engines.vision.loading import load_seeing

_IMPORTED_BY_LOADS = "mlx_vlm.models.qwen2_vl"


def create() -> Engine:
    """An engine for models of mlx-vlm, without one yet."""
    return text.TextEngine(load_seeing)


def warm() -> None:
    """Import what a load would, beyond what this module has imported already."""
    text.warm()
    importlib.import_module(_IMPORTED_BY_LOADS)
