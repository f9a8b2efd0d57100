"""Every Python example of the guide for Anthropic's clients runs as it stands there."""

import re
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "anthropic.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ran:
    """What the examples defined for those that follow, and what each of them printed."""

    names: dict[str, Any] = field(default_factory=dict[str, Any])
    printed: list[str] = field(default_factory=list[str])


@pytest.fixture(scope="module")
def ran(server: Server) -> Ran:
    """All examples, one after the other."""
    ran = Ran()
    for example in EXAMPLES:
        here = example.replace("http://127.0.0.1:8000", server.address)
        here = here.replace("SmolLM2-135M-Instruct", "fake/echo")
        with redirect_stdout(StringIO()) as printed:
            exec(compile(here, str(GUIDE), "exec"), ran.names)
        ran.printed.append(printed.getvalue())
    return ran


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(ran: Ran, number: int) -> None:
    assert bool(ran.printed[number]) == ("print(" in EXAMPLES[number])


def test_the_examples_are_found_and_lead_to_an_answer(ran: Ran) -> None:
    assert len(EXAMPLES) >= 5
    assert ran.names["call"].stop_reason == "tool_use"
    assert ran.names["answer"].stop_reason == "end_turn"
    assert ran.names["counted"].input_tokens > 0
