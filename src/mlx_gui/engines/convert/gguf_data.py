"""The data of a GGUF file's tensors, some rows at a time."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlx_gui.core.errors import NotServable
from mlx_gui.engines.convert.gguf_blocks import Bytes, Floats
from mlx_gui.engines.convert.gguf_header import TensorInfo

_NUMBERS: Mapping[str, str] = {"F32": "<f4", "F16": "<f2"}
DENSE = (*_NUMBERS, "BF16")
"""The types that have a number for each value."""


def read_rows(source: Path, tensor: TensorInfo, first_row: int, rows: int) -> Bytes:
    """Rows of the tensor as they lie in the file. Raises NotServable when they are not there."""
    wanted_bytes = rows * tensor.row_bytes
    try:
        with source.open("rb") as file:
            file.seek(tensor.offset_bytes + first_row * tensor.row_bytes)
            data = np.fromfile(file, np.uint8, wanted_bytes)
    except OSError as error:
        raise NotServable(
            f"{source.name} cannot be read: {error.strerror or error}.",
            hint="Check whether its disk is there.",
        ) from error
    if len(data) < wanted_bytes:
        raise NotServable(
            f"{source.name} ends before its tensor {tensor.name} does.",
            hint="Fetch the file again; it may be cut short.",
        )
    return data.reshape(rows, tensor.row_bytes)


def dense(kind: str, raw: Bytes) -> Floats:
    """The numbers of rows of one of the types of `DENSE`."""
    if kind == "BF16":
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return raw.view(_NUMBERS[kind]).astype(np.float32)
