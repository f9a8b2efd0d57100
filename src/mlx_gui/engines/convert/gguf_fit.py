"""Whether the tensors of a GGUF file make a whole model, before any of them is read."""

from collections.abc import Mapping, Sequence
from typing import Any

import mlx.core as mx

from mlx_gui.core.errors import NotServable
from mlx_gui.engines.text.mlx_lm import model_classes

_REASON_CHARACTERS = 300


def check_fit(config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> None:
    """Raises NotServable unless mlx-lm's model of `config` has these tensors and no others.

    Nothing is computed: the model and the tensors that it is given are only promised.
    """
    try:
        model_class, args_class = model_classes(config=dict(config))
        model = model_class(args_class.from_dict(config))
        weights = {name: mx.zeros(tuple(shape)) for name, shape in shapes.items()}
        if hasattr(model, "sanitize"):
            weights = model.sanitize(weights)
        model.load_weights(list(weights.items()), strict=True)
    except (
        ValueError, TypeError, RuntimeError, AttributeError, LookupError, ArithmeticError,
        AssertionError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:_REASON_CHARACTERS]
        raise NotServable(
            f"The tensors of this GGUF file make no whole {config['model_type']}: {reason}",
            hint="Fetch the file again; it may be damaged, or of a model that is not known here.",
        ) from error
