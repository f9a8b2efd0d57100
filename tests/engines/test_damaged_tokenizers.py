"""Damaged files beside the weights: a load that is refused by their names, never a dead worker."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.errors import LoadFailed
from tests.encoders import driving
from tests.encoders.cache import encoder
from tests.engines import listening, speaking
from tests.engines.remote import Child, child
from tests.real.whisper import whisper_tiny_en
from tests.support.soak import in_soak
from tests.voices.checkpoints import pocket_tts

DAMAGES = {
    "empty": b"",
    "truncated": b'{"version": "1.0", "model": {"type": "BPE", "vo',
    "a list": b"[1, 2]",
    "no text": bytes(range(128, 256)),
}
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json")
NAMES = {
    "MiniLM-tiny": encoder,
    "bert-reranker-tiny": encoder,
    "whisper": lambda _: whisper_tiny_en(),
    "pocket": lambda _: pocket_tts(),
}


@pytest.fixture(scope="module")
def process() -> Iterator[Child]:
    with child() as process:
        yield process


def copied(name: str, folder: Path) -> Path:
    """The model, whose weights are not copied."""
    folder.mkdir()
    for file in NAMES[name](name).iterdir():
        if file.suffix == ".json":
            (folder / file.name).write_bytes(file.read_bytes())
        else:
            (folder / file.name).symlink_to(file)
    return folder


def refused(process: Child, name: str, folder: Path, file: str, content: bytes) -> str:
    """What is said when the folder has `content` for its `file`."""
    whole = copied(name, folder)
    # It was whole when it was found.
    load: Any = partial(process.call, listening.listen, whole, [])
    if name == "pocket":
        load = partial(process.call, speaking.speak, whole, [])
    elif name != "whisper":
        load = partial(process.call, driving.load, driving.spec_of(whole))
    (whole / file).write_bytes(content)
    with pytest.raises(LoadFailed) as refusal:
        load()
    return refusal.value.message


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    ("name", "file"),
    [
        *[("MiniLM-tiny", file) for file in TOKENIZERS],
        ("bert-reranker-tiny", "tokenizer.json"),
        *[("whisper", file) for file in TOKENIZERS],
        ("whisper", "preprocessor_config.json"),
        ("pocket", "tokenizer.json"),
    ],
)
def test_a_damaged_file_is_named(
    process: Child, tmp_path: Path, name: str, file: str, damage: str
) -> None:
    assert file in refused(process, name, tmp_path / "model", file, DAMAGES[damage])


@pytest.mark.parametrize("damage", ["truncated", *in_soak("empty", "a list", "no text")])
def test_damaged_settings_of_whisper_are_named(process: Child, tmp_path: Path, damage: str) -> None:
    file = "generation_config.json"
    assert file in refused(process, "whisper", tmp_path / "model", file, DAMAGES[damage])


@pytest.mark.parametrize("name", NAMES)
def test_a_tokenizer_of_wrong_types_is_named(process: Child, tmp_path: Path, name: str) -> None:
    tokenizer = json.loads((NAMES[name](name) / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer |= {"version": 5, "added_tokens": [{"id": "one"}]}
    content = json.dumps(tokenizer).encode()

    assert "tokenizer" in refused(process, name, tmp_path / "model", "tokenizer.json", content)


@pytest.mark.parametrize("heads", [[[9, 9]], "all", *in_soak([[1]], [], [[1.5, 2]])])
def test_heads_that_whisper_does_not_have_are_refused(
    process: Child, tmp_path: Path, heads: object
) -> None:
    content = json.dumps({"alignment_heads": heads}).encode()
    said = refused(process, "whisper", tmp_path / "model", "generation_config.json", content)

    assert "generation_config.json" in said
    assert "alignment_heads" in said


def test_the_same_process_loads_the_next_model(process: Child) -> None:
    process.call(driving.load, driving.spec_of(encoder("MiniLM-tiny")))
