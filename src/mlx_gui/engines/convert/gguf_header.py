"""What the head of a GGUF file says: metadata, and where which tensor lies in which form.

Everything that it says of sizes is held against the size of the file before anything is read.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from mlx_gui.core.errors import NotServable

Scalar = str | int | float | bool
Value = Scalar | list[Scalar]

TENSOR_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
    10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS",
    17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
    24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0",
    35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
}  # fmt: skip
BLOCKS: Mapping[str, tuple[int, int]] = {
    "F32": (1, 4), "F16": (1, 2), "BF16": (1, 2),
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34),
    "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176),
    "Q6_K": (256, 210), "IQ4_NL": (32, 18), "IQ4_XS": (256, 136), "IQ3_S": (256, 110),
    "IQ3_XXS": (256, 98), "IQ2_S": (256, 82), "IQ2_XS": (256, 74), "IQ2_XXS": (256, 66),
    "IQ1_M": (256, 56), "IQ1_S": (256, 50),
}  # fmt: skip
"""How many values share a block, and its bytes, for the types that are read here."""

_NUMBERS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4
_USUAL_ALIGNMENT = 32
_MOST_HEADER_BYTES = 256 * 1024 * 1024
"""Vocabularies of half a million tokens have a tenth of that."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor, which begins `offset_bytes` after the beginning of the file.

    `shape` has the fastest-moving dimension last, as MLX counts.
    """

    name: str
    shape: tuple[int, ...]
    type_name: str
    offset_bytes: int

    @property
    def row_bytes(self) -> int:
        """Of one row, for the types of `BLOCKS`."""
        values, block_bytes = BLOCKS[self.type_name]
        return self.shape[-1] // values * block_bytes

    @property
    def rows(self) -> int:
        return prod(self.shape[:-1])


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Everything before the tensor data."""

    metadata: dict[str, Value]
    tensors: tuple[TensorInfo, ...]


def read_header(path: Path) -> GgufHeader:
    """The header of `path`. Raises NotServable unless it is a whole one of version 2 or 3."""
    try:
        with path.open("rb") as file:
            return _Reader(file).header()
    except (OSError, ValueError, struct.error) as error:
        raise NotServable(
            f"{path.name} is not a readable GGUF file: {error}",
            hint="Fetch the file again; it may be cut short.",
        ) from error


def needed(header: GgufHeader, key: str) -> Any:
    """What the metadata says under `key`. Raises NotServable when it says nothing."""
    if key not in header.metadata:
        raise NotServable(
            f"The GGUF file does not say {key}.",
            hint="It is not whole, or of a form that is not known here.",
        )
    return header.metadata[key]


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size_bytes = os.fstat(file.fileno()).st_size

    def header(self) -> GgufHeader:
        if self._file.read(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version = self._number("I")
        if version not in (2, 3):
            raise ValueError(f"its version is {version}")
        tensor_count, entry_count = self._count(), self._count()
        metadata = {self._string(): self._value(self._integer("I")) for _ in range(entry_count)}
        described = [self._tensor() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", _USUAL_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise ValueError(f"its alignment is {alignment}")
        data_start = -(-self._file.tell() // alignment) * alignment
        tensors = tuple(self._placed(tensor, data_start) for tensor in described)
        if len({tensor.name for tensor in tensors}) < len(tensors):
            raise ValueError("it has two tensors of one name")
        return GgufHeader(metadata, tensors)

    def _tensor(self) -> TensorInfo:
        """With the offset as it is written: from where the data begin."""
        name = self._string()
        dimensions = self._integer("I")
        if not 1 <= dimensions <= _MOST_DIMENSIONS:
            raise ValueError(f"its tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self._integer("Q") for _ in range(dimensions))[::-1]
        type_number = self._integer("I")
        type_name = TENSOR_TYPES.get(type_number, f"type {type_number}")
        return TensorInfo(name, shape, type_name, self._integer("Q"))

    def _placed(self, tensor: TensorInfo, data_start: int) -> TensorInfo:
        offset_bytes = data_start + tensor.offset_bytes
        if 0 in tensor.shape:
            raise ValueError(f"its tensor {tensor.name!r} is empty")
        if tensor.type_name in BLOCKS:
            values, _ = BLOCKS[tensor.type_name]
            if tensor.shape[-1] % values:
                raise ValueError(
                    f"its tensor {tensor.name!r} has rows of {tensor.shape[-1]} values, and "
                    f"{tensor.type_name} has blocks of {values}"
                )
            if offset_bytes + tensor.rows * tensor.row_bytes > self._size_bytes:
                raise ValueError(f"it ends before its tensor {tensor.name!r} does")
        return TensorInfo(tensor.name, tensor.shape, tensor.type_name, offset_bytes)

    def _value(self, kind: int) -> Value:
        if kind != _ARRAY:
            return self._scalar(kind)
        item_kind, count = self._integer("I"), self._count()
        if item_kind not in _NUMBERS:
            return [self._scalar(item_kind) for _ in range(count)]
        layout = f"<{count}{_NUMBERS[item_kind]}"
        return list(struct.unpack(layout, self._file.read(struct.calcsize(layout))))

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
        """A count of things that follow; each takes a byte at least, so what is left bounds it."""
        count = self._integer("Q")
        left_bytes = min(self._size_bytes, _MOST_HEADER_BYTES) - self._file.tell()
        if count > left_bytes:
            raise ValueError(
                f"it announces {count} items where {max(left_bytes, 0)} bytes are left"
            )
        return count

    def _integer(self, layout: str) -> int:
        return int(self._number(layout))

    def _number(self, layout: str) -> int | float | bool:
        layout = f"<{layout}"
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))[0]
