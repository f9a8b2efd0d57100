"""The packed layers that only mlx-lm has, held as `engines/weights.py` holds the others."""

from types import MappingProxyType

import mlx.nn as nn

from mlx_gui.core.model import WeightForm
from mlx_gui.engines.base import LoadReport
from mlx_gui.engines.text.mlx_lm import (
    MultiLinear,
    QuantizedMultiLinear,
    QuantizedSwitchLinear,
    SwitchLinear,
)
from mlx_gui.engines.weights import DENSE, DenseShells
from mlx_gui.engines.weights import hold_weights as hold

_SHELLS: DenseShells = MappingProxyType(
    {
        **DENSE,
        QuantizedSwitchLinear: lambda w: SwitchLinear(
            w.shape[2], w.shape[1], w.shape[0], bias=False
        ),
        QuantizedMultiLinear: lambda w: MultiLinear(w.shape[2], w.shape[1], w.shape[0]),
    }
)


def hold_weights(model: nn.Module, form: WeightForm, report: LoadReport) -> None:
    """As `engines.weights.hold_weights`, for a model of mlx-lm."""
    hold(model, form, report, shells=_SHELLS)
