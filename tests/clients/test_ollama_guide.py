"""The examples of the guide for Ollama's programs run as they are written."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "ollama.md").read_text()
EXAMPLES = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in EXAMPLES if language == "python"]
SHELL = [code for language, code in EXAMPLES if language == "sh"]


def here(example: str, server: Server) -> str:
    """The example for this server and a model that it has."""
    return example.replace("http://127.0.0.1:8000", server.address).replace("org/name", "fake/echo")


@pytest.mark.parametrize("example", PYTHON, ids=range(len(PYTHON)))
def test_the_guides_python_runs(
    server: Server, example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(here(example, server), "ollama.md", "exec"), names)
    names["client"].close()

    assert "said" in capsys.readouterr().out


@pytest.mark.parametrize("example", SHELL, ids=range(len(SHELL)))
def test_the_guides_curl_gets_an_answer(server: Server, example: str) -> None:
    program, url, option, body = shlex.split(here(example, server))
    assert (program, option) == ("curl", "-d")
    with server.client() as client:
        declared = {"content-type": "application/x-www-form-urlencoded"}
        answer = client.post(url, content=body, headers=declared)

    assert answer.status_code == 200
    pieces = [json.loads(line)["message"]["content"] for line in answer.text.splitlines()]
    assert "".join(pieces) == "You said: Hello"


def test_the_guide_has_examples() -> None:
    assert len(PYTHON) >= 4
    assert len(SHELL) >= 1
