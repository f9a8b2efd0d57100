"""What a model's folder has for people to read, whatever lies there in its place."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from mlx_gui.catalog.model_texts import (
    CARD_BYTES,
    StoredTemplate,
    card_of,
    licence_text_of,
    stored_template,
)
from tests.unit.api.parts import MODEL

NAMED = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"chat_template.jinja": "own"}, ("own", "chat_template.jinja")),
        (
            {"tokenizer_config.json": json.dumps({"chat_template": "in there"})},
            ("in there", "tokenizer_config.json"),
        ),
        (
            {"tokenizer_config.json": json.dumps({"chat_template": NAMED})},
            ("plain", "tokenizer_config.json"),
        ),
        (
            {
                "tokenizer_config.json": "{}",
                "chat_template.json": json.dumps({"chat_template": "apart"}),
            },
            ("apart", "chat_template.json"),
        ),
        ({"chat_template.jinja": b"\xff", "tokenizer_config.json": "damaged"}, None),
        ({"tokenizer_config.json": json.dumps({"chat_template": 5})}, None),
        ({}, None),
    ],
)
def test_the_chat_template_is_found_where_models_keep_it(
    tmp_path: Path, files: dict[str, str | bytes], expected: tuple[str, str] | None
) -> None:
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    model = msgspec.structs.replace(MODEL, path=str(tmp_path))
    assert stored_template(model) == (None if expected is None else StoredTemplate(*expected))


@pytest.mark.parametrize("name", ["LICENSE", "License.txt", "license.md", "LICENCE"])
def test_card_and_licence_are_what_lies_in_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "README.md").write_bytes(b"# Card \xff\n" + b"x" * CARD_BYTES)
    (tmp_path / name).write_text("Free.", encoding="utf-8")
    model = msgspec.structs.replace(MODEL, path=str(tmp_path))
    card = card_of(model)
    assert card is not None
    assert card.startswith("# Card \ufffd\nxx")
    assert len(card) == CARD_BYTES
    assert licence_text_of(model) == "Free."


def test_a_model_with_an_adapter_has_the_card_of_the_adapter(tmp_path: Path) -> None:
    for name in ("base", "adapter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(name, encoding="utf-8")
    model = msgspec.structs.replace(
        MODEL, path=str(tmp_path / "base"), adapter=str(tmp_path / "adapter")
    )
    assert card_of(model) == "adapter"


def test_what_is_no_file_is_not_read_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "README.md")
    os.mkfifo(tmp_path / "chat_template.jinja")
    (tmp_path / "LICENSE").symlink_to("LICENSE")
    model = msgspec.structs.replace(MODEL, path=str(tmp_path))
    assert card_of(model) is None
    assert licence_text_of(model) is None
    assert stored_template(model) is None


@pytest.mark.parametrize("path", ["", "/nowhere/at/all"])
def test_a_model_without_a_folder_has_nothing_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "README.md").write_text("of the folder that the server runs in", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    model = msgspec.structs.replace(MODEL, path=path)
    assert (card_of(model), licence_text_of(model), stored_template(model)) == (None, None, None)
