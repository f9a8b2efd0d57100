"""Which models that see can be loaded: those that are driven here and the installed mlx-vlm has."""

from importlib.util import find_spec
from pathlib import Path

from mlx_gui.kinds.vision import MODEL_TYPES


def supported_model_types() -> tuple[str, ...]:
    """Every `model_type` that can be loaded, sorted."""
    spec = find_spec("mlx_vlm")
    assert spec is not None, "mlx-vlm is a dependency"
    assert spec.origin is not None
    models = Path(spec.origin).parent / "models"
    return tuple(sorted(each for each in MODEL_TYPES if (models / each).is_dir()))
