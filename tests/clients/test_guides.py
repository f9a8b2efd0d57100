"""The guides' examples run as they are written; their settings of other programs can be read."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from tests.support.server import Server

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
PAGES = ("openai", "embeddings", "openai-fields", "responses", "editors", "agents", "browsers")
FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MODELS = {
    "SmolLM2-135M-Instruct": "fake/echo",
    "Qwen2.5-Coder-1.5B": "fake/agent",
    "all-MiniLM-L6-v2": "fake/embedding",
    "bge-reranker": "fake/reranker",
}
"""The guides' models, and those that answer in their place."""
DEADLINE_S = 120
BREAK = "--- next example"
READERS: Mapping[str, Callable[[str], object]] = {
    "json": json.loads,
    "yaml": yaml.safe_load,
    "toml": tomllib.loads,
}


def blocks(page: str, *languages: str) -> list[str]:
    found: list[tuple[str, str]] = FENCE.findall((GUIDES / f"{page}.md").read_text())
    return [text for language, text in found if language in languages]


def here(example: str, server: Server) -> str:
    """The example with this server's address and a model that it has."""
    example = example.replace("http://127.0.0.1:8000", server.address)
    for ours, theirs in MODELS.items():
        example = example.replace(ours, theirs)
    return example


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_python_of_a_page_runs_from_top_to_bottom_and_says_something(
    page: str, server: Server
) -> None:
    examples = blocks(page, "python")
    program = f"print({BREAK!r})\n".join(here(example, server) for example in examples)
    output = run(sys.executable, "-c", program).split(BREAK)
    assert len(output) == len(examples)
    for example, text in zip(examples, output, strict=True):
        assert bool(text.strip()) == ("print(" in example), f"{example}\n{text}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "sh")])
def test_the_shell_of_a_page_runs_and_gets_an_answer(page: str, server: Server) -> None:
    for example in blocks(page, "sh"):
        said = run("bash", "-euo", "pipefail", "-c", here(example, server))
        assert any(model in said for model in MODELS.values())


def run(*command: str) -> str:
    """What the program writes; its errors are shown where it fails."""
    environment = {name: value for name, value in os.environ.items() if name[:6] != "OPENAI"}
    ran = subprocess.run(
        command,
        capture_output=True,
        env={**environment, "NO_PROXY": "127.0.0.1"},
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("page", PAGES)
def test_settings_of_other_programs_can_be_read(page: str) -> None:
    for language, read in READERS.items():
        for text in blocks(page, language):
            assert read(text)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_language_that_is_tested(page: str) -> None:
    languages = {language for language, _ in FENCE.findall((GUIDES / f"{page}.md").read_text())}
    assert languages <= {"python", "sh", "langchain", *READERS}


def test_langchains_embeddings_are_made_as_the_guide_has_it(server: Server) -> None:
    (example,) = blocks("embeddings", "langchain")
    assert run(sys.executable, "-c", here(example, server)).split() == ["64", "2"]
