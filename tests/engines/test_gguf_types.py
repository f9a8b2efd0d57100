"""The tensor types of GGUF: what becomes of their values."""

from pathlib import Path

import pytest

from mlx_gui.core.errors import DiskFull
from tests.engines.gguf_models import (
    ARCHITECTURES,
    Architecture,
    converted_logits,
    difference,
    write_random,
)
from tests.engines.remote import RemoteEngine
from tests.engines.test_gguf import converted

KEPT = {
    "Q4_0": 1e-5,
    "Q4_1": 1e-5,
    "Q8_0": 1e-5,
}
"""The logits differ by no more."""


def differs(
    engine: RemoteEngine, folder: Path, architecture: Architecture, type_name: str, *, tied: bool
) -> float:
    """How far the logits of a converted file are from those of the values that it holds."""
    file, out = folder / "random.gguf", folder / "out"
    want = engine.child.call(write_tied if tied else write_untied, file, architecture, type_name)
    engine.child.call(converted, file, out)
    return difference(engine.child.call(converted_logits, out), want)


def write_tied(file: Path, architecture: Architecture, type_name: str) -> list[list[float]]:
    return write_random(file, architecture, type_name, tied=True)


def write_untied(file: Path, architecture: Architecture, type_name: str) -> list[list[float]]:
    return write_random(file, architecture, type_name, tied=False)


@pytest.mark.parametrize("type_name", ["F32", "F16", *KEPT])
def test_a_model_computes_what_the_blocks_hold(
    type_name: str, engine: RemoteEngine, tmp_path: Path
) -> None:
    found = differs(engine, tmp_path, ARCHITECTURES["llama"], type_name, tied=False)
    assert found < KEPT.get(type_name, 2e-3)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("tied", [True, False])
def test_every_architecture_computes_as_its_source(
    name: str, tied: bool, engine: RemoteEngine, tmp_path: Path
) -> None:
    assert differs(engine, tmp_path, ARCHITECTURES[name], "Q8_0", tied=tied) < 4e-3


def test_a_tensor_larger_than_a_piece_is_written_whole(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    want = engine.child.call(write_untied, tmp_path / "r.gguf", ARCHITECTURES["llama"], "Q8_0")
    engine.child.call(converted_in_small_pieces, tmp_path / "r.gguf", tmp_path / "out")
    found = engine.child.call(converted_logits, tmp_path / "out")
    assert difference(found, want) < KEPT["Q8_0"]


def converted_in_small_pieces(source: Path, out: Path) -> None:
    """In the child: a conversion that has less than a head of a tensor in memory."""
    from mlx_gui.engines.convert import gguf_weights

    usual = gguf_weights._PIECE_VALUES
    gguf_weights._PIECE_VALUES = 10_000
    try:
        converted(source, out)
    finally:
        gguf_weights._PIECE_VALUES = usual


def test_a_model_without_room_is_refused_before_it_is_written(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    with pytest.raises(DiskFull, match=r"will have .* but the disk of"):
        engine.child.call(check_room_for_petabytes, tmp_path)


def check_room_for_petabytes(folder: Path) -> None:
    """In the child."""
    from mlx_gui.engines.convert.gguf_header import TensorInfo
    from mlx_gui.engines.convert.gguf_weights import Weight, check_room

    tensor = TensorInfo("output.weight", (1 << 24, 1 << 24), "Q8_0", 0)
    check_room([Weight(tensor, "lm_head.weight", "float16", 8, None)], folder)
