"""Every Python example of the guide for Anthropic's clients runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "anthropic.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the examples define for those that follow."""
    return {}


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(
    server: Server, names: dict[str, Any], number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    example = EXAMPLES[number]
    here = example.replace("http://127.0.0.1:8000", server.address)

    exec(compile(here.replace("SmolLM2-135M-Instruct", "fake/echo"), str(GUIDE), "exec"), names)

    assert bool(capsys.readouterr().out) == ("print(" in example)


def test_the_examples_are_found_and_lead_to_an_answer(names: dict[str, Any]) -> None:
    assert len(EXAMPLES) >= 5
    assert names["call"].stop_reason == "tool_use"
    assert names["answer"].stop_reason == "end_turn"
    assert names["counted"].input_tokens > 0
