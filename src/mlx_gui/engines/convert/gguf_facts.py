"""What the metadata of a GGUF file say of the model's architecture, checked for sense."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlx_gui.core.errors import ModelUnsupported, NotServable
from mlx_gui.engines.convert.gguf_blocks import Floats
from mlx_gui.engines.convert.gguf_data import DENSE, dense, read_rows
from mlx_gui.engines.convert.gguf_header import GgufHeader, needed

_MOST = 1 << 24
"""No size that counts, from layers to tokens of context, is near it in any model."""
_MOST_VALUES = 1 << 16


@dataclass(frozen=True, slots=True)
class Facts:
    """Reads the keys that begin with the architecture's name. Raises NotServable for nonsense."""

    source: Path
    header: GgufHeader

    @property
    def architecture(self) -> str:
        return str(self.header.metadata.get("general.architecture"))

    def said(self, name: str) -> Any:
        """Whatever the file says, None where it says nothing."""
        return self.header.metadata.get(f"{self.architecture}.{name}")

    def count(self, name: str) -> int:
        """Of things of which there is one at least."""
        needed(self.header, f"{self.architecture}.{name}")
        return self.count_or(name, 0)

    def count_or(self, name: str, otherwise: int) -> int:
        """A count, or `otherwise`. Raises ModelUnsupported where layers differ in it."""
        value = self.said(name)
        if value is None:
            return otherwise
        if isinstance(value, list):
            if len(set(value)) != 1:
                raise ModelUnsupported(
                    f"The layers of this GGUF file differ in {name}, which cannot be read yet.",
                    hint="Its model has a repo in MLX's own form, or none that can be served.",
                )
            value = value[0]
        if type(value) is not int or not 1 <= value <= _MOST:
            raise self._nonsense(name, value)
        return value

    def number(self, name: str) -> float:
        """Above zero. The file has float32: six digits give back the number that was meant."""
        needed(self.header, f"{self.architecture}.{name}")
        return self.number_or(name, 0.0)

    def number_or(self, name: str, otherwise: float) -> float:
        value = self.said(name)
        if value is None:
            return otherwise
        if type(value) not in (int, float) or not math.isfinite(value) or value <= 0:
            raise self._nonsense(name, value)
        return float(f"{value:.6g}")

    def has(self, tensor: str) -> bool:
        return any(each.name == tensor for each in self.header.tensors)

    def values(self, tensor: str) -> Floats:
        """Those of a small tensor of one dimension. Raises NotServable unless all are numbers."""
        (found,) = (each for each in self.header.tensors if each.name == tensor)
        if found.type_name not in DENSE or found.rows > 1 or found.shape[-1] > _MOST_VALUES:
            raise NotServable(
                f"The tensor {tensor} is {found.shape} of {found.type_name}, and not a short row "
                "of numbers.",
                hint="Fetch the file again; it may be damaged.",
            )
        values = dense(found.type_name, read_rows(self.source, found, 0, 1))[0]
        if not np.isfinite(values).all():
            raise self._nonsense(tensor, values)
        return values

    def _nonsense(self, name: str, value: Any) -> NotServable:
        return NotServable(
            f"The GGUF file says that {self.architecture}.{name} is {str(value)[:40]}.",
            hint="Fetch the file again; it may be damaged.",
        )
