"""The tensor types of GGUF: what becomes of their values."""

import json
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
from tests.support.soak import mostly_in_soak

KEPT = {
    "Q4_0": 1e-5,
    "Q4_1": 1e-5,
    "Q5_0": 1e-5,
    "Q5_1": 1e-5,
    "Q8_0": 1e-5,
    "Q4_K": 1e-2,
    "Q5_K": 1e-2,
    "IQ3_S": 1e-2,
    "IQ3_XXS": 1e-2,
    "IQ1_S": 1e-2,
}
"""The logits differ by no more. Scales of the last five are products and get rounded to float16."""


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


# Of the others it is enough that their values are right, but for the soak.
@pytest.mark.parametrize(
    "type_name", mostly_in_soak(("F32", "F16", *KEPT), but=("F16", "Q5_1", "Q8_0", "Q4_K"))
)
def test_a_model_computes_what_the_blocks_hold(
    type_name: str, engine: RemoteEngine, tmp_path: Path
) -> None:
    found = differs(engine, tmp_path, ARCHITECTURES["llama"], type_name, tied=False)
    assert found < KEPT.get(type_name, 2e-3)


IN_BFLOAT16 = ("gemma3",)


@pytest.mark.parametrize(
    ("name", "tied"),
    [
        *((name, False) for name in ARCHITECTURES),
        ("llama", True),
        *(
            pytest.param(name, True, marks=pytest.mark.soak)
            for name in ARCHITECTURES
            if name != "llama"
        ),
    ],
)
def test_every_architecture_computes_as_its_source(
    name: str, tied: bool, engine: RemoteEngine, tmp_path: Path
) -> None:
    found = differs(engine, tmp_path, ARCHITECTURES[name], "Q8_0", tied=tied)
    assert found < (2e-2 if name in IN_BFLOAT16 else 4e-3)


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
    check_room([Weight(tensor, "lm_head.weight", "float16", 8, None, 0)], folder)


ROUNDED = ("Q4_K", "Q5_K", "IQ3_S", "IQ3_XXS", "IQ1_S")


@pytest.mark.parametrize("type_name", KEPT)
def test_the_whole_numbers_of_blocks_are_kept_as_they_are(
    type_name: str, engine: RemoteEngine
) -> None:
    found = engine.child.call(losses_of, type_name)
    assert found["float32"] == 0
    assert found["float16"] < (1e-3 if type_name in ROUNDED else 1e-9)
    assert found["bfloat16"] < 8e-3


def losses_of(type_name: str) -> dict[str, float]:
    """In the child: how far the values of kept blocks are off, in the mean, by dtype."""
    import mlx.core as mx
    import numpy as np

    from mlx_gui.engines.convert import gguf_blocks, gguf_iq
    from mlx_gui.engines.convert.gguf_blocks import packed
    from mlx_gui.engines.convert.gguf_header import BLOCKS
    from tests.engines.gguf_blocks import encoded

    rows = np.random.default_rng(5).normal(0, 0.02, (64, 512)).astype(np.float32)
    known = encoded(type_name, rows)
    blocks = np.frombuffer(known.content, np.uint8).reshape(-1, BLOCKS[type_name][1])
    kept = {**gguf_blocks.KEPT, **gguf_iq.KEPT}[type_name]
    bits, groups = kept.bits, kept.groups(blocks)
    losses: dict[str, float] = {}
    for dtype in ("float32", "float16", "bfloat16"):
        shared = [
            mx.array(each[:, None]).astype(getattr(mx, dtype)).astype(mx.float32)
            for each in (groups.scales, groups.biases)
        ]
        ours = mx.dequantize(mx.array(packed(groups, bits)), *shared, group_size=32, bits=bits)
        off = np.array(ours).reshape(rows.shape) - known.values
        losses[dtype] = float(np.sqrt((off**2).mean() / (known.values**2).mean()))
    return losses


REQUANTIZED = {
    "Q2_K": 0.1, "Q3_K": 0.05, "Q6_K": 0.006, "IQ4_NL": 0.03, "IQ4_XS": 0.03,
    "IQ2_XXS": 0.12, "IQ2_XS": 0.12, "IQ2_S": 0.12, "IQ1_M": 0.08,
}  # fmt: skip
"""What quantizing them anew changes in the mean, at most."""


@pytest.mark.parametrize("type_name", REQUANTIZED)
def test_what_mlx_has_no_groups_for_is_quantized_anew_and_stays_close(
    type_name: str, engine: RemoteEngine
) -> None:
    read, kept = engine.child.call(loss_by_quantizing_anew, type_name)
    assert read == 0
    assert kept < REQUANTIZED[type_name]


def loss_by_quantizing_anew(type_name: str) -> tuple[float, float]:
    """In the child: how far the values read are off, and how far those written are, in the mean."""
    import mlx.core as mx
    import numpy as np

    from mlx_gui.engines.convert.gguf_header import BLOCKS
    from mlx_gui.engines.convert.gguf_values import REQUANTIZED
    from tests.engines.gguf_blocks import encoded

    rows = np.random.default_rng(7).normal(0, 0.02, (64, 512)).astype(np.float32)
    known = encoded(type_name, rows)
    blocks = np.frombuffer(known.content, np.uint8).reshape(-1, BLOCKS[type_name][1])
    form = REQUANTIZED[type_name]
    values = form.values(blocks).reshape(rows.shape)
    packed = mx.quantize(mx.array(values), group_size=32, bits=form.bits)
    written = np.array(mx.dequantize(*packed, group_size=32, bits=form.bits))
    off = [float(np.sqrt(((each - known.values) ** 2).mean())) for each in (values, written)]
    return off[0], off[1] / float(np.sqrt((known.values**2).mean()))


@pytest.mark.parametrize("type_name", mostly_in_soak(REQUANTIZED, but=("Q2_K", "Q6_K", "IQ4_NL")))
def test_a_model_of_such_blocks_computes_nearly_the_same(
    type_name: str, engine: RemoteEngine, tmp_path: Path
) -> None:
    found = differs(engine, tmp_path, ARCHITECTURES["llama"], type_name, tied=False)
    assert found < 8 * REQUANTIZED[type_name]


def test_a_file_of_mixed_types_has_each_in_its_own_width(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    """As Q4_K_M files are: Q6_K where it matters, and Q5_0 where rows are too short for Q4_K."""
    mixed = {"attn_v": "Q6_K", "ffn_down": "Q6_K", "token_embd": "Q6_K", "attn_k": "Q5_0"}
    file, out = tmp_path / "random.gguf", tmp_path / "out"
    want = engine.child.call(write_mixed, file, mixed)
    engine.child.call(converted, file, out)
    assert difference(engine.child.call(converted_logits, out), want) < 0.03
    said = json.loads((out / "config.json").read_text())["quantization"]
    assert (said["bits"], said["group_size"]) == (4, 32)
    assert said["model.embed_tokens"] == {"group_size": 32, "bits": 8}
    assert said["model.layers.1.self_attn.k_proj"] == {"group_size": 32, "bits": 5}
    assert "model.layers.1.self_attn.q_proj" not in said


def write_mixed(file: Path, mixed: dict[str, str]) -> list[list[float]]:
    return write_random(file, ARCHITECTURES["llama"], "Q4_K", mixed=mixed)
