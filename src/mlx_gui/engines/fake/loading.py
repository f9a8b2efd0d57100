"""What the fake engines of all kinds have in common: loads by the model's name, and no memory."""

import time
from pathlib import Path

from mlx_gui.core.errors import LoadFailed
from mlx_gui.core.model import LoadSpec, MemoryUse
from mlx_gui.engines.base import LoadReport

_LOAD_STEPS = 20
_WEIGHTS_BYTES = 50_000_000

SCRIPTED_MEMORY = MemoryUse(_WEIGHTS_BYTES, 0, _WEIGHTS_BYTES, _WEIGHTS_BYTES)
"""What a fake engine says it holds, but for a model that has files: then it is these."""


def scripted_name(spec: LoadSpec) -> str:
    """The part of the model's id that says how it behaves."""
    return spec.model_id.rpartition("/")[2]


def scripted_load(spec: LoadSpec, report: LoadReport) -> MemoryUse:
    """Report a load; what is held then. `broken` raises LoadFailed, `slow-load` takes two seconds.

    Nothing is read.
    """
    if scripted_name(spec) == "broken":
        raise LoadFailed(
            f"Loading {spec.model_id} failed: its weights are broken.",
            hint="This fake model always fails to load.",
        )
    for done in range(_LOAD_STEPS + 1):
        report("weights", _WEIGHTS_BYTES * done // _LOAD_STEPS, _WEIGHTS_BYTES)
        if scripted_name(spec) == "slow-load":
            time.sleep(0.1)
    return _as_large_as(Path(spec.path)) if spec.path else SCRIPTED_MEMORY


def _as_large_as(folder: Path) -> MemoryUse:
    size_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return MemoryUse(size_bytes, 0, size_bytes, size_bytes)
