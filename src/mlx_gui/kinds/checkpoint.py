"""Reads the files of a model folder without loading weights: JSON, and safetensors headers."""

import json
import math
import os
from pathlib import Path
from typing import Annotated, cast

import msgspec

from mlx_gui.core.regular_file import open_regular

MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_HEADER_BYTES = 100_000_000
"""The bound that the safetensors format itself sets."""

INDEX_FILE = "model.safetensors.index.json"


class DamagedFile(ValueError):
    """A file that is missing or is not what its name says; the message is a sentence."""


class Tensor(msgspec.Struct, frozen=True, gc=False):
    """What a header says of one tensor. `dtype` is as in the format: `F16`, `U32`, …"""

    name: str
    dtype: str
    shape: tuple[int, ...]
    stored_bytes: int

    @property
    def value_count(self) -> int:
        return math.prod(self.shape)


def read_json_object(path: Path) -> dict[str, object]:
    """The object in `path`; raises DamagedFile when there is none.

    Infinity and NaN pass, as they do in the library that will load the model.
    """
    decoded = read_json_value(path)
    if not isinstance(decoded, dict):
        raise DamagedFile(f"{path.name} is not a JSON object.")
    return cast(dict[str, object], decoded)


def read_json_value(path: Path) -> object:
    """Whatever JSON is in `path`; raises DamagedFile as `read_json_object` does."""
    content = _read(path, offset=0, limit=MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise DamagedFile(f"{path.name} is larger than {MAX_JSON_BYTES} bytes.")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{path.name} is not valid JSON: {error}.") from error


def read_text(path: Path, *, limit_bytes: int = MAX_JSON_BYTES) -> str:
    """The text that `path` begins with, as far as it is UTF-8; raises DamagedFile."""
    return read_beginning(path, limit_bytes=limit_bytes).decode("utf-8", "replace")


def read_beginning(path: Path, *, limit_bytes: int) -> bytes:
    """The first bytes of `path`; raises DamagedFile."""
    return _read(path, offset=0, limit=limit_bytes)


def read_tensors(folder: Path) -> list[Tensor]:
    """All tensors of the checkpoint in `folder`; raises DamagedFile naming the file at fault."""
    files = sorted(folder.glob("model*.safetensors"))
    index = folder / INDEX_FILE
    if index.exists():
        weight_map = read_json_object(index).get("weight_map")
        if not isinstance(weight_map, dict):
            raise DamagedFile(f"{INDEX_FILE} has no weight_map.")
        named = {str(shard) for shard in cast(dict[str, object], weight_map).values()}
        for shard in sorted(named - {file.name for file in files}):
            raise DamagedFile(f"{shard}, named in {INDEX_FILE}, is missing.")
    if not files:
        raise DamagedFile("There is no file named model*.safetensors.")
    return [tensor for file in files for tensor in read_header(file)]


def read_header(path: Path) -> list[Tensor]:
    """The tensors of one safetensors file; raises DamagedFile unless all of them are in it."""
    prefix = _read(path, offset=0, limit=8)
    header_bytes = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or header_bytes > MAX_HEADER_BYTES:
        raise DamagedFile(f"{path.name} does not begin as a safetensors file does.")
    header = _read(path, offset=8, limit=header_bytes)
    if len(header) < header_bytes:
        raise DamagedFile(f"{path.name} is truncated within its header.")
    try:
        decoded = _entries(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedFile(f"{path.name} has a broken header: {error}.") from error
    end = max((entry.data_offsets[1] for entry in decoded.values()), default=0)
    file_bytes, needed_bytes = path.stat().st_size, 8 + header_bytes + end
    if file_bytes < needed_bytes:
        raise DamagedFile(f"{path.name} is truncated: {file_bytes} of {needed_bytes} bytes.")
    return [_tensor(path, name, entry) for name, entry in decoded.items()]


_Size = Annotated[int, msgspec.Meta(ge=0)]


class _Entry(msgspec.Struct, gc=False):
    """Of one that says less, the type is none that there is."""

    dtype: str = ""
    shape: Annotated[tuple[_Size, ...], msgspec.Meta(max_length=16)] = ()
    data_offsets: tuple[_Size, _Size] = (0, 0)


_ENTRY = msgspec.json.Decoder(_Entry)
_ENTRIES = msgspec.json.Decoder(dict[str, _Entry])
_METADATA = "__metadata__"
_VALUE_BITS = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}


def _entries(header: bytes) -> dict[str, _Entry]:
    """What a header says of each tensor. Raises what msgspec raises."""
    try:
        entries = _ENTRIES.decode(header)
    except msgspec.ValidationError:
        # What is written there besides may be anything.
        raw = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        return {name: _ENTRY.decode(each) for name, each in raw.items() if name != _METADATA}
    entries.pop(_METADATA, None)
    return entries


def _tensor(path: Path, name: str, entry: _Entry) -> Tensor:
    start, end = entry.data_offsets
    tensor = Tensor(name, entry.dtype, entry.shape, end - start)
    if tensor.stored_bytes * 8 != tensor.value_count * _VALUE_BITS.get(entry.dtype, -1):
        raise DamagedFile(
            f"{path.name} has a broken header: {name} is {entry.dtype} of shape "
            f"{list(entry.shape)}, but has {tensor.stored_bytes} bytes."
        )
    return tensor


def _read(path: Path, *, offset: int, limit: int) -> bytes:
    try:
        with open_regular(path) as file:
            file.seek(offset)
            # Room is made for as much as is asked for, and limits are large.
            there = max(0, os.fstat(file.fileno()).st_size - offset)
            return file.read(min(limit, there))
    except FileNotFoundError:
        raise DamagedFile(f"{path.name} is missing.") from None
    except OSError as error:
        raise DamagedFile(f"{path.name} cannot be read: {error.strerror}.") from error
