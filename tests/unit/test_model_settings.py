"""The table of a model's settings, and what holds for a model."""

from dataclasses import fields
from pathlib import Path

import pytest

from mlx_gui.config import resolve
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.setting_row import ModelSettings
from mlx_gui.model_settings import MODEL_SETTINGS, checked, resolve_model
from mlx_gui.server_settings import SERVER_SETTINGS

CONFIG = resolve(flags={"data_dir": "/nowhere", "keep_alive_s": "7"}, environment={})
DEEP: dict[str, object] = {}
for _ in range(20):
    DEEP = {"a": DEEP}


def test_there_is_a_field_for_every_row() -> None:
    names = [row.name for row in MODEL_SETTINGS]
    assert [field.name for field in fields(ModelSettings)] == [*names, "sources"]


def test_every_row_has_help_and_every_number_bounds() -> None:
    for row in MODEL_SETTINGS:
        assert row.help.endswith(".")
        assert row.type not in ("integer", "number") or max(map(abs, row.bounds)) < float("inf")


def test_a_setting_of_the_server_that_stands_behind_a_row_is_alike() -> None:
    settings = {row.name: row for row in SERVER_SETTINGS}
    for row in MODEL_SETTINGS:
        if row.server:
            behind = settings[row.server]
            assert (row.type, row.bounds, row.choices) == (
                behind.type,
                behind.bounds,
                behind.choices,
            )


def test_what_is_not_set_is_the_servers_or_the_default() -> None:
    settings = resolve_model(CONFIG, {"temperature": 0.0})
    assert (settings.keep_alive_s, settings.sources["keep_alive_s"]) == (7, "server")
    assert (settings.temperature, settings.sources["temperature"]) == (0.0, "model")
    assert (settings.top_p, settings.sources["top_p"]) == (None, "default")
    assert (settings.draft_tokens, settings.reasoning) == (3, "model")


def test_values_that_fit_come_back_and_null_stays() -> None:
    changes = {
        "context_tokens": 16,
        "temperature": 2,
        "chat_template": "{% for m in messages %}\n{{ m }}{% endfor %}",
        "template_arguments": {"tools": [1, 2.5, {"deep": None}], "on": True},
        "truncate": False,
        "kv_bits": 4,
        "draft_model": None,
    }
    assert checked(changes) == changes


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("context_tokens", 15, "a whole number from 16 to 10000000 or auto"),
        ("context_tokens", "AUTO", "a whole number from 16 to 10000000 or auto"),
        ("slots", "auto", "a whole number from 1 to 256"),
        ("context_tokens", 16.5, "a whole number"),
        ("context_tokens", True, "a whole number"),
        ("slots", -1, "from 1 to 256"),
        ("temperature", 2.1, "a number from 0 to 2"),
        ("temperature", float("nan"), "a number from 0 to 2"),
        ("temperature", "0.5", "a number from 0 to 2"),
        ("top_p", -0.1, "from 0 to 1"),
        ("repetition_penalty", 0, "from 0.01 to 10"),
        ("chat_template", " \n", "at most 1000000 characters"),
        ("chat_template", "x" * 1_000_001, "at most 1000000 characters"),
        ("chat_template", ["x"], "a text"),
        ("template_arguments", [], "a JSON object"),
        ("template_arguments", DEEP, "16 levels"),
        ("template_arguments", {"a": [2**63]}, "64 bits"),
        ("template_arguments", {"a": float("inf")}, "a JSON object"),
        ("tool_prompt", "none", "one of generic, refuse"),
        ("truncate", "yes", "true or false"),
        ("reasoning", True, "one of on, off, model"),
        ("draft_model", "", "printable"),
        ("draft_model", "a\nb", "printable"),
        ("draft_tokens", 0, "from 1 to 16"),
        ("kv_bits", 2, "out of 0, 4, 8"),
        ("prefix_cache_bytes", -1, "from 0"),
        ("priority", 11, "from -10 to 10"),
        ("pinned", "on", "true or false"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_the_bounds(
    name: str, value: object, said: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked({name: value})
    assert caught.value.message.startswith(f"{name} is ")
    assert said in caught.value.message
    assert len(caught.value.message) < 250
    assert caught.value.details == {"param": f"settings.{name}"}


@pytest.mark.parametrize(
    ("name", "hint"), [("temprature", "Did you mean temperature?"), ("zzz", "Known are ")]
)
def test_a_name_nobody_knows_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InvalidRequest, match=f"'{name}' is not a setting of a model") as caught:
        checked({name: None})
    assert hint in caught.value.hint


def test_the_guide_names_every_setting() -> None:
    guide = Path(__file__).parents[2] / "docs" / "guides" / "settings-of-a-model.md"
    table = guide.read_text(encoding="utf-8").partition("## What there is")[2]
    assert [row.name for row in MODEL_SETTINGS if f"`{row.name}`" not in table] == []
