"""Layers that remember, for each text anew."""

import copy
from typing import Any

import mlx.nn as nn


def own_copy(part: Any) -> Any:
    """A copy of the layers of `part` with a memory of their own and the same arrays."""
    match part:
        case nn.Module():
            own: Any = type(part).__new__(type(part))
            vars(own).update({name: own_copy(each) for name, each in vars(part).items()})
            dict.update(own, {name: own_copy(each) for name, each in part.items()})
            return own
        case list() | tuple():
            return type(part)(own_copy(each) for each in part)
        case dict():
            return {name: own_copy(each) for name, each in part.items()}
        case _ if hasattr(part, "offset"):
            # The cache of a layer.
            return copy.copy(part)
        case _:
            return part
