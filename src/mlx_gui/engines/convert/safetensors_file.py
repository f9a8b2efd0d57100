"""A safetensors file that is written in pieces, so that no tensor need be in memory whole."""

import errno
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

from mlx_gui.core.errors import DiskFull

_HEAD_ALIGNMENT = 8
_VALUE_BYTES = {"U32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """What a tensor of the file will be."""

    dtype: Literal["U32", "F16", "BF16"]
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        return self.shape[-1] * _VALUE_BYTES[self.dtype]

    @property
    def bytes(self) -> int:
        return prod(self.shape) * _VALUE_BYTES[self.dtype]


class SafetensorsFile(AbstractContextManager["SafetensorsFile"]):
    """Writes a file of the `tensors` at `path`; on the disk once the context has ended well.

    Raises DiskFull, and OSError for what else the system says.
    """

    def __init__(self, path: Path, tensors: Mapping[str, StoredTensor]) -> None:
        self._path = path
        self._tensors = tensors
        head, self._starts = _head(tensors)
        self._file = path.open("wb", buffering=0)
        try:
            self._write(0, head)
        except (DiskFull, OSError):
            self._file.close()
            raise

    def write_rows(self, name: str, first_row: int, data: bytes) -> None:
        """Rows of the tensor `name`, whose last dimension is a row."""
        self._write(self._starts[name] + first_row * self._tensors[name].row_bytes, data)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if error is None:
                os.fsync(self._file.fileno())
        except OSError as problem:
            raise disk_fault(self._path.parent, problem) from problem
        finally:
            self._file.close()

    def _write(self, offset: int, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                written = os.pwrite(self._file.fileno(), rest, offset)
                rest, offset = rest[written:], offset + written
        except OSError as error:
            raise disk_fault(self._path.parent, error) from error


def disk_fault(folder: Path, error: OSError) -> Exception:
    """DiskFull where that is what the system says against a file in `folder`, else the error."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return DiskFull(f"The disk of {folder} is full.", hint="Free some space there.")


def _head(tensors: Mapping[str, StoredTensor]) -> tuple[bytes, dict[str, int]]:
    """What stands before the data, and where in the file each tensor begins."""
    entries: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    end = 0
    for name, tensor in tensors.items():
        offsets = [end, end := end + tensor.bytes]
        entries[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": offsets}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _HEAD_ALIGNMENT)
    head = len(text).to_bytes(8, "little") + text
    starts = {name: len(head) + entries[name]["data_offsets"][0] for name in tensors}
    return head, starts
