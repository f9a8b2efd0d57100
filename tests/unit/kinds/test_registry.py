"""What a folder is, also when it is nothing that is served."""

from pathlib import Path

import pytest

from mlx_gui.kinds.registry import recognise
from tests.unit.kinds.folders import LLAMA, write_model


@pytest.mark.parametrize(
    ("config", "extra_file", "what"),
    [
        ({"model_type": "smolvlm"}, None, "a vision model"),
        ({"model_type": "siglip"}, None, "a vision model"),
    ],
)
def test_models_of_other_kinds_are_called_by_their_kind(
    tmp_path: Path, config: dict[str, object], extra_file: str | None, what: str
) -> None:
    write_model(tmp_path, config=config)
    if extra_file:
        (tmp_path / extra_file).touch()
    recognised = recognise(tmp_path)
    assert recognised.facts is None
    assert recognised.problem == f"This is {what}, which mlx-gui does not serve yet."


@pytest.mark.parametrize("model_type", [None, 3, ["llama"]])
def test_a_config_without_model_type_is_nobodys(tmp_path: Path, model_type: object) -> None:
    write_model(tmp_path, config={**LLAMA, "model_type": model_type})
    recognised = recognise(tmp_path)
    assert recognised.facts is None
    assert "names no model_type" in (recognised.problem or "")


def test_a_broken_config_is_the_problem(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "lla', encoding="utf-8")
    recognised = recognise(tmp_path)
    assert recognised.facts is None
    assert "config.json is not valid JSON" in (recognised.problem or "")
