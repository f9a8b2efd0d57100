"""Headers and JSON of model folders, intact and otherwise."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlx_gui.kinds.checkpoint import (
    INDEX_FILE,
    MAX_HEADER_BYTES,
    DamagedFile,
    Tensor,
    read_header,
    read_json_object,
    read_tensors,
)
from tests.unit.kinds.folders import DENSE, write_model, write_raw_header, write_safetensors


def entry(**changes: object) -> bytes:
    plain: dict[str, object] = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    return json.dumps({"w": plain | changes}).encode()


def as_file(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


def test_a_header_names_every_tensor(tmp_path: Path) -> None:
    assert read_header(write_safetensors(tmp_path / "model.safetensors")) == [
        Tensor("model.embed_tokens.weight", "BF16", (100, 64), 12_800),
        Tensor("model.norm.weight", "BF16", (64,), 128),
    ]


@pytest.mark.parametrize("said", [{"format": "mlx"}, {"shape": "wide", "dtype": 7}, "mlx", None])
def test_metadata_may_be_anything(tmp_path: Path, said: object) -> None:
    written = {"__metadata__": said, "w": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}
    path = write_raw_header(
        tmp_path / "model.safetensors", json.dumps(written).encode(), data_bytes=4
    )
    assert read_header(path) == [Tensor("w", "U8", (4,), 4)]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "broken header"),
        (b"[]", "broken header"),
        (b'{"w": NaN}', "broken header"),
        (b'{"w": {}}', "broken header"),
        (b"\xff\xfe", "broken header"),
        (b'{"w": ' + b"[" * 100_000, "broken header"),
        (entry(shape=[2, -3]), "broken header"),
        (entry(shape=[1] * 20), "broken header"),
        (entry(shape="2"), "broken header"),
        (entry(data_offsets=[24, 0]), "broken header: w is F32 of shape"),
        (entry(data_offsets=[0]), "broken header"),
        (entry(dtype="F33"), "broken header: w is F33"),
        (entry(shape=[2, 4]), r"w is F32 of shape \[2, 4\], but has 24 bytes"),
    ],
)
def test_a_broken_header_is_named(tmp_path: Path, header: bytes, reason: str) -> None:
    path = write_raw_header(tmp_path / "model.safetensors", header, data_bytes=24)
    with pytest.raises(DamagedFile, match=rf"^model\.safetensors .*{reason}"):
        read_header(path)


def test_a_truncated_file_is_named_with_both_sizes(tmp_path: Path) -> None:
    path = write_raw_header(tmp_path / "model.safetensors", entry(), data_bytes=23)
    size = path.stat().st_size
    with pytest.raises(DamagedFile, match=f"truncated: {size} of {size + 1} bytes"):
        read_header(path)


def test_a_file_that_ends_within_its_header_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 100) + b"{")
    with pytest.raises(DamagedFile, match="truncated within its header"):
        read_header(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"1234567", struct.pack("<Q", MAX_HEADER_BYTES + 1), b"version https://git-lfs"],
)
def test_what_does_not_begin_like_safetensors_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="does not begin as"):
        read_header(path)


HEADERS = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["F32", "U8"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["w", "dtype", "shape", "data_offsets", "__metadata__"]), inner
        )
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=64) | (st.binary(max_size=200) | HEADERS).map(as_file))
@example(as_file(entry(shape=[2**63, 2**63])))
@example(as_file(entry(data_offsets=[0, 10**30])))
def test_any_file_is_read_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(content)
    try:
        tensors = read_header(path)
    except DamagedFile as damage:
        refusal = str(damage)
    else:
        refusal = ""
        assert sum(tensor.stored_bytes for tensor in tensors) <= len(content)
    assert refusal.startswith("any.safetensors") or not refusal


def test_all_shards_are_read(tmp_path: Path) -> None:
    for number, name in enumerate(DENSE, 1):
        shard = tmp_path / f"model-0000{number}-of-00002.safetensors"
        write_safetensors(shard, {name: DENSE[name]})
    weight_map = {
        "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
        "model.norm.weight": "model-00002-of-00002.safetensors",
    }
    (tmp_path / INDEX_FILE).write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    assert [tensor.name for tensor in read_tensors(tmp_path)] == list(DENSE)

    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        DamagedFile, match=r"^model-00002-of-00002\.safetensors, named in .* is mis"
    ):
        read_tensors(tmp_path)


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no weight_map"),
        ('{"weight_map": []}', "no weight_map"),
        ('{"weight_map": {"w": ["x"]}}', "is missing"),
        ('{"weight_map": {"w": "../../etc/passwd"}}', "passwd, named in .* is missing"),
    ],
)
def test_a_broken_index_is_named(tmp_path: Path, index: str, reason: str) -> None:
    write_model(tmp_path)
    (tmp_path / INDEX_FILE).write_text(index, encoding="utf-8")
    with pytest.raises(DamagedFile, match=reason):
        read_tensors(tmp_path)


def test_weights_under_another_name_are_not_found_because_mlx_lm_would_not(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "consolidated.safetensors")
    with pytest.raises(DamagedFile, match="no file named model"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b"[]", b"null", b"9" * 5000])
def test_json_that_is_no_object_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"^config\.json is not"):
        read_json_object(tmp_path / "config.json")


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match=r"config\.json is missing"):
        read_json_object(tmp_path / "config.json")
    (tmp_path / "config.json").mkdir()
    with pytest.raises(DamagedFile, match=r"config\.json cannot be read: Is a directory"):
        read_json_object(tmp_path / "config.json")
