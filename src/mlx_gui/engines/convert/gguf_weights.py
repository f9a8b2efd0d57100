"""The tensors of a GGUF file, written as MLX wants them: some rows at a time, however many."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mlx.core as mx
import numpy as np

from mlx_gui.core.errors import DiskFull, ModelUnsupported, NotServable
from mlx_gui.core.units import format_bytes
from mlx_gui.engines.convert import gguf_blocks, gguf_iq
from mlx_gui.engines.convert.gguf_blocks import GROUP_SIZE, Bytes, Floats, packed
from mlx_gui.engines.convert.gguf_data import DENSE, dense, read_rows
from mlx_gui.engines.convert.gguf_facts import Facts
from mlx_gui.engines.convert.gguf_forms import Form
from mlx_gui.engines.convert.gguf_header import BLOCKS, TensorInfo
from mlx_gui.engines.convert.gguf_values import REQUANTIZED
from mlx_gui.engines.convert.safetensors_file import SafetensorsFile, StoredTensor

_PIECE_VALUES = 4 * 1024 * 1024
"""So many values of a tensor are in memory at a time, or one head of it where that is more."""
_KEPT = {**gguf_blocks.KEPT, **gguf_iq.KEPT}
_PACKED = {kind: each.bits for kind, each in (*_KEPT.items(), *REQUANTIZED.items())}
_READ_TYPES = (*DENSE, *_PACKED)

Dtype = Literal["float16", "bfloat16"]
_STORED: Mapping[Dtype, tuple[Literal["F16", "BF16"], mx.Dtype]] = {
    "float16": ("F16", mx.float16),
    "bfloat16": ("BF16", mx.bfloat16),
}


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor of the file and what becomes of it.

    `bits` is None for what is not packed; `heads` is given where each has its rows interleaved.
    `less` is taken off every value.
    """

    tensor: TensorInfo
    name: str
    dtype: Dtype
    bits: int | None
    heads: int | None
    less: int

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]

    def stored(self) -> dict[str, StoredTensor]:
        """What is written of it, by name."""
        code, _ = _STORED[self.dtype]
        *outer, columns = self.tensor.shape
        if self.bits is None:
            return {self.name: StoredTensor(code, self.tensor.shape)}
        groups = StoredTensor(code, (*outer, columns // GROUP_SIZE))
        return {
            self.name: StoredTensor("U32", (*outer, columns * self.bits // 32)),
            f"{self.module}.scales": groups,
            f"{self.module}.biases": groups,
        }


def weights_of(facts: Facts, form: Form, dtype: Dtype) -> list[Weight]:
    """One for each tensor that is no table. Raises ModelUnsupported naming what cannot be read."""
    heads = {}
    if form.interleaved:
        heads = {
            "attn_q": facts.count("attention.head_count"),
            "attn_k": facts.count("attention.head_count_kv"),
        }
    weights: list[Weight] = []
    for tensor in facts.header.tensors:
        if tensor.name in form.tables:
            continue
        if tensor.type_name not in _READ_TYPES:
            raise ModelUnsupported(
                f"The tensor {tensor.name} is stored as {tensor.type_name}, which cannot be read.",
                hint=f"Take a file in one of {', '.join(sorted(_READ_TYPES))}.",
            )
        bits = _PACKED.get(tensor.type_name)
        if bits is not None and len(tensor.shape) == 1:
            raise ModelUnsupported(
                f"The tensor {tensor.name} is a single row of {tensor.type_name}, which cannot be "
                "read.",
                hint="Take a file that has it in F32, as they usually do.",
            )
        part = tensor.name.split(".")[-2:][0]
        weights.append(
            Weight(
                tensor,
                form.name_of(tensor.name),
                dtype,
                bits,
                heads.get(part),
                1 if form.plus_one and part.endswith("_norm") else 0,
            )
        )
    return weights


def quantization_of(weights: Sequence[Weight]) -> dict[str, Any] | None:
    """For config.json: the commonest bits, and an entry for each module that differs."""
    bits = {weight.module: weight.bits for weight in weights if weight.bits is not None}
    if not bits:
        return None
    widths = list(bits.values())
    common = max(sorted(set(widths)), key=widths.count)
    others = {
        module: {"group_size": GROUP_SIZE, "bits": width}
        for module, width in bits.items()
        if width != common
    }
    return {"group_size": GROUP_SIZE, "bits": common, **others}


def check_room(weights: Sequence[Weight], folder: Path) -> None:
    """Raises DiskFull where the weights will not fit onto the disk of `folder`."""
    needed_bytes = sum(each.bytes for weight in weights for each in weight.stored().values())
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise DiskFull(
            f"The model will have {format_bytes(needed_bytes)}, but the disk of {folder} has "
            f"{format_bytes(free_bytes)} left.",
            hint="Free some space there.",
            details={"needed_bytes": needed_bytes, "free_bytes": free_bytes},
        )


def write_weights(
    source: Path, weights: Sequence[Weight], out: Path, report: Callable[[int], None]
) -> None:
    """Write the safetensors file `out`; tells how many bytes of `source` have been used.

    Raises NotServable for numbers that are none, DiskFull.
    """
    stored = {name: each for weight in weights for name, each in weight.stored().items()}
    done_bytes = 0
    with SafetensorsFile(out, stored) as file:
        for weight in weights:
            for first_row, raw in _pieces(source, weight):
                for name, data in _converted(weight, raw).items():
                    file.write_rows(name, first_row, data)
                done_bytes += raw.nbytes
                report(done_bytes)


def _pieces(source: Path, weight: Weight) -> Iterator[tuple[int, Bytes]]:
    """The rows of the tensor in their order here, with the number of the first of each piece."""
    tensor = weight.tensor
    step = max(1, _PIECE_VALUES // tensor.shape[-1])
    head_rows = tensor.rows // weight.heads if weight.heads is not None else 1
    step = max(1, step // head_rows) * head_rows
    for first_row in range(0, tensor.rows, step):
        rows = min(step, tensor.rows - first_row)
        raw = read_rows(source, tensor, first_row, rows)
        yield first_row, raw if weight.heads is None else _uninterleaved(raw, rows // head_rows)


def _uninterleaved(rows: Bytes, heads: int) -> Bytes:
    """Query or key rows as transformers orders them; GGUF interleaves each head's two halves."""
    split = rows.reshape(heads, len(rows) // heads // 2, 2, -1)
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(rows.shape)


def _converted(weight: Weight, raw: Bytes) -> dict[str, bytes]:
    """Some rows of it, by the names that they are written under."""
    kind = weight.tensor.type_name
    if weight.bits is None:
        return {weight.name: _numbers(weight, dense(kind, raw) - np.float32(weight.less))}
    blocks = raw.reshape(-1, BLOCKS[kind][1])
    if kind in REQUANTIZED:
        values = mx.array(REQUANTIZED[kind].values(blocks).reshape(-1, GROUP_SIZE))
        whole, scales, biases = map(
            np.array, mx.quantize(values, group_size=GROUP_SIZE, bits=weight.bits)
        )
    else:
        groups = _KEPT[kind].groups(blocks)
        whole, scales, biases = packed(groups, weight.bits), groups.scales, groups.biases
    return {
        weight.name: whole.astype("<u4").tobytes(),
        f"{weight.module}.scales": _numbers(weight, scales),
        f"{weight.module}.biases": _numbers(weight, biases),
    }


def _numbers(weight: Weight, values: Floats) -> bytes:
    """The values as they are stored. Raises NotServable unless they all are numbers then."""
    numbers = mx.array(values).astype(_STORED[weight.dtype][1])
    if not mx.isfinite(numbers).all().item():
        raise NotServable(
            f"The tensor {weight.tensor.name} holds what is no number, or too large for "
            f"{weight.dtype}.",
            hint="Fetch the file again; it may be damaged.",
        )
    return np.array(numbers.view(mx.uint16)).astype("<u2").tobytes()
