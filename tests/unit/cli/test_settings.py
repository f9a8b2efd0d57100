"""`mlx-gui settings`: what is typed becomes values."""

from pathlib import Path

import pytest
import typer

from mlx_gui.cli.changes import read_changes
from mlx_gui.model_settings import MODEL_SETTINGS


def test_values_are_typed_by_their_rows_and_the_rest_is_left_to_the_server() -> None:
    typed = [
        "temperature=0.5",
        "slots=4",
        "truncate=on",
        'template_arguments={"a": [1]}',
        "draft_model=org/small",
        "chat_template=a = b",
        "slots=many",
        "flavour=sweet",
    ]
    assert read_changes(typed[:6], MODEL_SETTINGS) == {
        "temperature": 0.5,
        "slots": 4,
        "truncate": True,
        "template_arguments": {"a": [1]},
        "draft_model": "org/small",
        "chat_template": "a = b",
    }
    assert read_changes(typed[6:], MODEL_SETTINGS) == {"slots": "many", "flavour": "sweet"}


def test_a_value_may_be_the_content_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "template.jinja"
    file.write_text("{% for m in messages %}\n{{ m }}{% endfor %}\n", encoding="utf-8")
    assert read_changes([f"chat_template=@{file}"], MODEL_SETTINGS) == {
        "chat_template": "{% for m in messages %}\n{{ m }}{% endfor %}\n"
    }


@pytest.mark.parametrize("change", ["temperature", "chat_template=@/nowhere", "chat_template=@/"])
def test_what_cannot_be_read_is_wrong_usage(change: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_changes([change], MODEL_SETTINGS)


def test_a_file_that_is_no_text_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff\xfe")
    with pytest.raises(typer.BadParameter, match="cannot be read as text"):
        read_changes([f"chat_template=@{tmp_path / 'file'}"], MODEL_SETTINGS)
