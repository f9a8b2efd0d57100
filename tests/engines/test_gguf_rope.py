"""Positions that a GGUF file stretches are stretched the same way afterwards, or it is refused."""

import struct
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.errors import ModelUnsupported, NotServable
from mlx_gui.engines.convert.gguf_facts import Facts
from mlx_gui.engines.convert.gguf_header import read_header
from mlx_gui.engines.convert.gguf_rope import rope_of
from tests.engines.gguf_files import Tensors, write_gguf
from tests.engines.gguf_models import HEAD_DIM, llama_3_scaling, llama_3_table


def rope(folder: Path, said: dict[str, Any], tensors: Tensors | None = None) -> dict[str, Any]:
    metadata = {f"llama.rope.{name}": value for name, value in said.items()}
    write_gguf(folder / "x.gguf", {"general.architecture": "llama", **metadata}, tensors or {})
    return rope_of(Facts(folder / "x.gguf", read_header(folder / "x.gguf")), HEAD_DIM)


@pytest.mark.parametrize(("factor", "length"), [(8.0, 8192), (32.0, 8192), (8.0, 4096)])
def test_the_table_of_llama_3_becomes_the_rule_that_made_it(
    factor: float, length: int, tmp_path: Path
) -> None:
    table = llama_3_table(factor=factor, length=length, theta=500_000.0)
    said = rope(tmp_path, {"freq_base": 500_000.0}, table)
    assert said == {"rope_scaling": llama_3_scaling(factor=factor, length=length)}


def row(*numbers: float) -> Tensors:
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    return {"rope_freqs.weight": ((len(numbers),), "F32", data)}


def test_what_stretches_nothing_is_left_out(tmp_path: Path) -> None:
    assert rope(tmp_path, {}) == {}
    assert rope(tmp_path, {"scaling.type": "none"}) == {}
    assert rope(tmp_path, {}, row(*[1.0] * (HEAD_DIM // 2))) == {}


@pytest.mark.parametrize(
    ("said", "tensors", "reason"),
    [
        ({"scaling.type": "longrope"}, {}, "stretches positions by longrope"),
        ({"dimension_count": 32}, {}, "turns 32 of 64 values"),
        ({}, row(1.0, 2.0), "has 2 numbers for 32 frequencies"),
        ({}, row(*[1.0, 3.0] * 16), "follows no rule of Llama 3"),
        ({}, row(*[0.0, 3.0] * 16), "not above zero"),
    ],
)
def test_what_is_stretched_otherwise_is_refused(
    said: dict[str, Any], tensors: Tensors, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelUnsupported, match=reason):
        rope(tmp_path, said, tensors)


@pytest.mark.parametrize(
    ("said", "tensors"),
    [
        ({"scaling.type": "linear"}, {}),
        ({"scaling.type": "yarn", "scaling.factor": -4.0}, {}),
        ({"scaling.type": "yarn", "scaling.factor": 4.0}, {}),
        ({"freq_base": 0.0}, row(*[1.0, 3.0] * 16)),
        ({}, row(*[float("nan")] * 32)),
    ],
)
def test_nonsense_is_refused(said: dict[str, Any], tensors: Tensors, tmp_path: Path) -> None:
    with pytest.raises(NotServable):
        rope(tmp_path, said, tensors)
