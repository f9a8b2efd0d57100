"""What the head of a GGUF file says: metadata and the tensors' names, shapes and types.

MLX reads the tensors themselves, but it turns quantisations that it does not keep into float16 in
silence and names no type when it gives up, so the types are looked at first.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mlx_gui.core.errors import LoadFailed

Scalar = str | int | float | bool
Value = Scalar | list[Scalar]

TENSOR_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
    10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS",
    17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
    24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0",
    35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip

_NUMBERS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q",
    12: "<d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor; `shape` has the fastest-moving dimension last, as MLX counts."""

    name: str
    shape: tuple[int, ...]
    type_name: str


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Everything before the tensor data."""

    metadata: dict[str, Value]
    tensors: tuple[TensorInfo, ...]


def read_header(path: Path) -> GgufHeader:
    """The header of `path`. Raises LoadFailed unless it is one of version 2 or 3."""
    try:
        with path.open("rb") as file:
            return _Reader(file).header()
    except (OSError, ValueError, struct.error) as error:
        raise LoadFailed(
            f"{path.name} is not a readable GGUF file: {error}",
            hint="Fetch the file again; it may be cut short.",
        ) from error


def needed(header: GgufHeader, key: str) -> Any:
    """What the metadata says under `key`. Raises LoadFailed when it says nothing."""
    if key not in header.metadata:
        raise LoadFailed(f"The GGUF file does not say {key}.")
    return header.metadata[key]


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size_bytes = os.fstat(file.fileno()).st_size

    def header(self) -> GgufHeader:
        if self._file.read(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version = self._number("<I")
        if version not in (2, 3):
            raise ValueError(f"its version is {version}")
        tensor_count, entry_count = self._count(), self._count()
        metadata = {self._string(): self._value(self._integer("<I")) for _ in range(entry_count)}
        return GgufHeader(metadata, tuple(self._tensor() for _ in range(tensor_count)))

    def _tensor(self) -> TensorInfo:
        name = self._string()
        shape = tuple(self._integer("<Q") for _ in range(self._integer("<I")))[::-1]
        type_number = self._integer("<I")
        self._integer("<Q")  # the offset, which MLX reads for itself
        return TensorInfo(name, shape, TENSOR_TYPES.get(type_number, f"type {type_number}"))

    def _value(self, kind: int) -> Value:
        if kind != _ARRAY:
            return self._scalar(kind)
        item_kind = self._integer("<I")
        return [self._scalar(item_kind) for _ in range(self._count())]

    def _scalar(self, kind: int) -> Scalar:
        if kind == _STRING:
            return self._string()
        if kind not in _NUMBERS:
            raise ValueError(f"its metadata holds a value of unknown type {kind}")
        return self._number(_NUMBERS[kind])

    def _string(self) -> str:
        length_bytes = self._count()
        return self._file.read(length_bytes).decode("utf-8", errors="replace")

    def _count(self) -> int:
        """A count of things that follow; each takes a byte at least, so the file bounds it."""
        count = self._integer("<Q")
        if count > self._size_bytes:
            raise ValueError(f"it announces {count} items in {self._size_bytes} bytes")
        return count

    def _integer(self, layout: str) -> int:
        return int(self._number(layout))

    def _number(self, layout: str) -> int | float | bool:
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))[0]
