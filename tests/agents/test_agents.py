"""Real coding agents work against a server with its default settings. By `make soak`."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.agents.programs import AGENTS, Agent, NotInstalled, installed_agents
from tests.agents.recorder import Exchange, recording
from tests.process.visitor import script
from tests.support.server import Server, running_server
from tests.zoo.cache import checkpoint

pytestmark = pytest.mark.soak

SCRIPTED, REAL = "fake/agent", "tiny/Qwen3"
CONTEXT_TOKENS = 131_072
SAID = "The file is there."


@pytest.fixture(scope="module")
def installed() -> Path:
    try:
        return installed_agents()
    except NotInstalled as reason:
        pytest.skip(f"the agents cannot be had: {reason}")


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("scripted")) as server:
        yield server


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("real")
    model = folder / "models" / REAL
    shutil.copytree(checkpoint("Qwen3-tiny"), model)
    config = json.loads((model / "config.json").read_text())
    config["max_position_embeddings"] = CONTEXT_TOKENS
    (model / "config.json").write_text(json.dumps(config))
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_an_agent_writes_a_file_and_its_second_prompt_finds_the_first_in_the_cache(
    agent: Agent, installed: Path, scripted: Server, real: Server, tmp_path: Path
) -> None:
    question = script(calls=[agent.writing(tmp_path / "work")], then={"text": SAID})
    with recording(scripted.address) as recorder:
        run = agent.run(
            installed, question, place=tmp_path, address=recorder.address, model=SCRIPTED
        )

    said = "\n".join(map(str, recorder.exchanges))
    assert run.code == 0, f"{run.output}\n{said}"
    assert (tmp_path / "work" / "hello.txt").read_text() == "hello"
    assert SAID in run.output
    assert [each for each in recorder.exchanges if each.status >= 400] == [], said

    first, second = (replayed(real, each) for each in with_tools(recorder.exchanges))
    # But for the last tokens, behind which an answer or a call stands.
    assert second["cached"] >= first["prompt"] - 16, (first, second)


def with_tools(exchanges: list[Exchange]) -> list[Exchange]:
    """The two requests of the loop; one for a title of the conversation has no tools."""
    return [each for each in exchanges if each.method == "POST" and each.json().get("tools")]


def replayed(server: Server, exchange: Exchange) -> dict[str, int]:
    """Tokens of the request's prompt, and how many of them were cached."""
    limits = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    body: dict[str, Any] = {
        name: value
        for name, value in exchange.json().items()
        if name not in (*limits, "stream_options")
    }
    limit = "max_output_tokens" if exchange.path == "/v1/responses" else "max_tokens"
    answer = httpx.post(
        server.address + exchange.path,
        json={**body, "model": REAL, "stream": False, limit: 16},
        timeout=300,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    usage = answer.json()["usage"]
    kind = "input" if "input_tokens" in usage else "prompt"
    return {
        "prompt": usage[f"{kind}_tokens"],
        "cached": usage[f"{kind}_tokens_details"]["cached_tokens"],
    }
