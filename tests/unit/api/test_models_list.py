"""`/v1/models` as agents read it: how long a prompt may be, and what Codex wants to know."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from mlx_gui.core.model import Model
from tests.support.models import changed_facts
from tests.unit.api.parts import MODEL, Shelf, application, config, services, serving

assert MODEL.facts is not None
THINKING = msgspec.structs.replace(MODEL, id="org/two", facts=changed_facts(
    MODEL.facts, capabilities=("chat", "tools", "thinking"), context_length=131_072))  # fmt: skip
RAW = msgspec.structs.replace(
    MODEL, id="org/raw", facts=msgspec.structs.replace(MODEL.facts, capabilities=("completion",))
)
BROKEN = msgspec.structs.replace(MODEL, id="org/broken", facts=None, problem="No config.json.")


def listed(
    folder: Path, *models: Model, query: str = "", **settings: object
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer, and the first model by itself."""
    parts = services(config(folder, **settings), shelf=Shelf(*models))
    with serving(application(parts)) as address, httpx.Client(trust_env=False) as client:
        whole = client.get(f"{address}/v1/models{query}").raise_for_status().json()
        first = client.get(f"{address}/v1/models/{models[0].id}").raise_for_status().json()
    return whole, first


@pytest.mark.parametrize(("limit", "expected"), [(2048, 2048), (8192, 4096)])
def test_a_model_says_how_long_prompt_and_answer_may_be(
    tmp_path: Path, limit: int, expected: int
) -> None:
    whole, first = listed(tmp_path, MODEL, BROKEN, max_context_tokens=limit)

    assert (first["context_length"], first["max_model_len"]) == (4096, expected)
    assert whole["data"][0] == first
    assert whole["data"][1]["max_model_len"] is None


def test_codex_is_told_of_models_that_chat_beside_the_usual_list(tmp_path: Path) -> None:
    query = "?client_version=0.171.0"

    whole, _ = listed(
        tmp_path, MODEL, RAW, BROKEN, THINKING, query=query, max_context_tokens=65_536
    )

    assert [model["id"] for model in whole["data"]] == [
        "org/one",
        "org/raw",
        "org/broken",
        "org/two",
    ]
    one, two = whole["models"]
    assert (one["slug"], one["display_name"], one["context_window"]) == ("org/one", "one", 4096)
    assert (one["supported_reasoning_levels"], one["default_reasoning_level"]) == ([], None)
    assert (two["slug"], two["context_window"], two["priority"]) == ("org/two", 65_536, 1)
    assert [level["effort"] for level in two["supported_reasoning_levels"]] == [
        "none",
        "low",
        "medium",
        "high",
    ]
    assert one["base_instructions"]
    assert one["input_modalities"] == ["text"]


def test_nobody_else_is_told_twice(tmp_path: Path) -> None:
    whole, _ = listed(tmp_path, MODEL)

    assert "models" not in whole
