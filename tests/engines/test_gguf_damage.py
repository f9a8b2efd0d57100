"""GGUF files that are damaged, or made to harm: refused in words, or read; nothing else."""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlx_gui.core.errors import MlxGuiError, NotServable
from tests.engines.gguf_blocks import encoded
from tests.engines.gguf_files import Tensors, write_gguf
from tests.engines.gguf_models import ARCHITECTURES, HIDDEN, INNER, KV_HEADS, metadata_of
from tests.engines.remote import RemoteEngine

FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KV = KV_HEADS * HIDDEN // 4
SHAPES = {
    "attn_q": (HIDDEN, HIDDEN),
    "attn_k": (KV, HIDDEN),
    "attn_v": (KV, HIDDEN),
    "attn_output": (HIDDEN, HIDDEN),
    "ffn_gate": (INNER, HIDDEN),
    "ffn_up": (INNER, HIDDEN),
    "ffn_down": (HIDDEN, INNER),
}


@dataclass(frozen=True)
class Parts:
    """What a file is written of, and may be changed before it is."""

    metadata: dict[str, Any]
    tensors: Tensors


def parts() -> Parts:
    """A llama of one layer in Q4_K, with all values nought."""
    import numpy as np

    metadata = metadata_of(ARCHITECTURES["llama"]) | {"llama.block_count": 1}
    tensors: Tensors = {
        f"blk.0.{name}.weight": (shape, "Q4_K", bytes(shape[0] * shape[1] // 256 * 144))
        for name, shape in SHAPES.items()
    }
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        row = np.ones(HIDDEN, np.float32)
        tensors[f"{name}.weight"] = (row.shape, "F32", encoded("F32", row).content)
    vocabulary = len(metadata["tokenizer.ggml.tokens"])
    tensors["token_embd.weight"] = (
        (vocabulary, HIDDEN),
        "Q6_K",
        bytes(vocabulary * HIDDEN // 256 * 210),
    )
    return Parts(metadata, tensors)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    made, file = parts(), tmp_path_factory.mktemp("damage") / "whole.gguf"
    write_gguf(file, made.metadata, made.tensors)
    return file.read_bytes()


def outcome(file: Path, out: Path) -> str:
    """In the child: `read`, or which of our errors it was; any other is raised here."""
    import shutil

    from mlx_gui.engines.convert.gguf import convert

    try:
        convert(file, out, lambda *_: None)
    except MlxGuiError as error:
        return type(error).__name__
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return "read"


ALLOWED = {"read", "NotServable", "ModelUnsupported"}


def test_the_file_that_is_damaged_here_can_be_read(
    whole: bytes, engine: RemoteEngine, tmp_path: Path
) -> None:
    (tmp_path / "x.gguf").write_bytes(whole)
    assert engine.child.call(outcome, tmp_path / "x.gguf", tmp_path / "out") == "read"


@pytest.mark.parametrize("what", ["array", "text"])
def test_a_head_as_large_as_the_file_is_refused_before_it_is_read(
    engine: RemoteEngine, tmp_path: Path, what: str
) -> None:
    file, size_bytes = tmp_path / "x.gguf", 1 << 40
    key = struct.pack("<Q", 1) + b"k"
    said = struct.pack("<IIQ", 9, 0, size_bytes // 2) if what == "array" else b""
    said = said or struct.pack("<IQ", 8, size_bytes // 2)
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key + said)
    os.truncate(file, size_bytes)
    assert engine.child.call(outcome, file, tmp_path / "out") == "NotServable"


@FUZZ
@given(data=st.data())
def test_flipped_bytes_and_cut_ends_are_read_or_refused(
    whole: bytes, engine: RemoteEngine, tmp_path: Path, data: st.DataObject
) -> None:
    changed = bytearray(whole)
    # Most of what can go wrong is in the head.
    places = st.integers(0, 12_000) | st.integers(0, len(whole) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4)):
        changed[place] = value
    kept = data.draw(st.just(len(whole)) | st.integers(0, len(whole)))
    (tmp_path / "x.gguf").write_bytes(changed[:kept])
    assert engine.child.call(outcome, tmp_path / "x.gguf", tmp_path / "out") in ALLOWED


JUNK: st.SearchStrategy[Any] = st.one_of(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 1, 2, 3, 7, 2**31, 2**32 - 1]),
    st.floats(width=32),
    st.text(max_size=8),
    st.booleans(),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4),
    st.lists(st.text(max_size=4), min_size=1, max_size=4),
)


@FUZZ
@given(data=st.data())
def test_metadata_that_say_nonsense_are_read_or_refused(
    engine: RemoteEngine, tmp_path: Path, data: st.DataObject
) -> None:
    made = parts()
    keys = [*made.metadata, "llama.rope.scaling.type", "llama.rope.dimension_count", "split.count"]
    keys += ["llama.attention.key_length", "tokenizer.ggml.add_bos_token"]
    for key in data.draw(st.lists(st.sampled_from(keys), min_size=1, max_size=2)):
        made.metadata[key] = data.draw(JUNK)
    write_gguf(tmp_path / "x.gguf", made.metadata, made.tensors)
    assert engine.child.call(outcome, tmp_path / "x.gguf", tmp_path / "out") in ALLOWED


def numbers(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


Change = Callable[[Parts], object]
DAMAGED: dict[str, tuple[Change, str]] = {
    "rows that are no whole blocks": (
        lambda p: p.tensors.update({"blk.0.attn_v.weight": ((KV, 200), "Q4_K", bytes(144 * KV))}),
        "has rows of 200 values, and Q4_K has blocks of 256",
    ),
    "blocks that end too early": (
        lambda p: p.tensors.update(
            {"token_embd.weight": (*p.tensors["token_embd.weight"][:2], bytes(210))}
        ),
        "ends before its tensor 'token_embd.weight' does",
    ),
    "an empty tensor": (
        lambda p: p.tensors.update({"blk.0.attn_v.weight": ((0, HIDDEN), "Q4_K", b"")}),
        "is empty",
    ),
    "a tensor of other rows": (
        lambda p: p.tensors.update(
            {"blk.0.attn_v.weight": ((KV * 2, HIDDEN), "Q4_K", bytes(144 * KV * 2))}
        ),
        "make no whole llama",
    ),
    "a tensor missing": (lambda p: p.tensors.pop("blk.0.ffn_up.weight"), "make no whole llama"),
    "scales that are no numbers": (
        lambda p: p.tensors.update(
            {"blk.0.attn_v.weight": ((KV, HIDDEN), "Q4_K", b"\xff" * 144 * KV)}
        ),
        "holds what is no number",
    ),
    "norms that are no numbers": (
        lambda p: p.tensors.update(
            {"output_norm.weight": ((HIDDEN,), "F32", numbers(*[float("inf")] * HIDDEN))}
        ),
        "holds what is no number",
    ),
    "a billion layers": (
        lambda p: p.metadata.update({"llama.block_count": 1 << 20}),
        "has 1048576 layers",
    ),
    "more layers than any model has": (
        lambda p: p.metadata.update({"llama.block_count": 1 << 31}),
        r"llama\.block_count is 2147483648",
    ),
    "heads of an odd size": (
        lambda p: p.metadata.update({"llama.attention.head_count": 256}),
        "cannot be turned in pairs",
    ),
    "an alignment of nought": (
        lambda p: p.metadata.update({"general.alignment": 0}),
        "its alignment is 0",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_is_damaged_is_named(case: str, engine: RemoteEngine, tmp_path: Path) -> None:
    change, reason = DAMAGED[case]
    made = parts()
    change(made)
    write_gguf(tmp_path / "x.gguf", made.metadata, made.tensors)
    with pytest.raises(NotServable, match=reason):
        engine.child.call(convert_only, tmp_path / "x.gguf", tmp_path / "out")


def convert_only(file: Path, out: Path) -> None:
    """In the child."""
    from mlx_gui.engines.convert.gguf import convert

    convert(file, out, lambda *_: None)


def test_a_part_of_a_model_is_refused_with_what_makes_it_whole(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    made = parts()
    made.metadata["split.count"] = 3
    write_gguf(tmp_path / "x.gguf", made.metadata, made.tensors)
    with pytest.raises(MlxGuiError, match="one of 3 parts") as refused:
        engine.child.call(convert_only, tmp_path / "x.gguf", tmp_path / "out")
    assert refused.value.hint is not None
    assert "--merge" in refused.value.hint
