"""What the fake engines of all kinds have in common: loads by the model's name, and no memory."""

import time

from mlx_gui.core.errors import LoadFailed
from mlx_gui.core.model import LoadSpec, MemoryUse
from mlx_gui.engines.base import LoadReport

_LOAD_STEPS = 20
_WEIGHTS_BYTES = 50_000_000

SCRIPTED_MEMORY = MemoryUse(_WEIGHTS_BYTES, 0, _WEIGHTS_BYTES, _WEIGHTS_BYTES)
"""What every fake engine says it holds."""


def scripted_name(spec: LoadSpec) -> str:
    """The part of the model's id that says how it behaves."""
    return spec.model_id.rpartition("/")[2]


def scripted_load(spec: LoadSpec, report: LoadReport) -> None:
    """Report a load; `broken` raises LoadFailed, and `slow-load` takes two seconds."""
    if scripted_name(spec) == "broken":
        raise LoadFailed(
            f"Loading {spec.model_id} failed: its weights are broken.",
            hint="This fake model always fails to load.",
        )
    for done in range(_LOAD_STEPS + 1):
        report("weights", _WEIGHTS_BYTES * done // _LOAD_STEPS, _WEIGHTS_BYTES)
        if scripted_name(spec) == "slow-load":
            time.sleep(0.1)
