"""A real server and the local hub: what is found there is planned as what is installed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hub.faults import Fault
from tests.hub.folders import model_folder
from tests.hub.server import HubServer
from tests.support.nursery import ran
from tests.support.server import Server, running_server

TOKEN = "hf_abcdefghijklmnopqrst"
DEADLINE_S = 120
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "models-from-a-hub.md"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LARGE = {
    "hidden_size": 8192,
    "intermediate_size": 28_672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
}


@dataclass(frozen=True, slots=True)
class House:
    """A server, the hub that it asks, and its commands."""

    server: Server
    hub: HubServer

    def get(self, path: str) -> dict[str, Any]:
        with self.server.client() as client:
            answer = client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return ran(*arguments, "--url", self.server.address)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    local = folder / "models"
    model_folder(local / "own" / "local")
    with HubServer() as hub:
        text: dict[str, Any] = {"tags": ("mlx",), "pipeline_tag": "text-generation"}
        card = "# Small\n\x1b[31mred\x1b[0m and \x07loud\n"
        small = model_folder(folder / "small", files={"README.md": card, "x.py": "pass"})
        hub.add("org/small", small, license="mit", downloads=1200, trending=2, **text)
        four = model_folder(folder / "four", bits=4)
        hub.add("org/small-4", four, base_model="org/small", trending=1, **text)
        hub.add("org/large", model_folder(folder / "large", config=LARGE), **text)
        hub.add("org/gated", small, gated="manual", downloads=5, pipeline_tag="text-generation")
        qwen = model_folder(folder / "qwen", bits=4, config={"model_type": "qwen3"})
        hub.add("mlx-community/Qwen3-0.6B-4bit", qwen, downloads=3, pipeline_tag="text-generation")
        hub.tokens[TOKEN] = set()
        settings = {"hub_endpoint": hub.url, "hub_token": TOKEN, "model_dirs": local}
        with running_server(folder, engine="mlx", settings=settings) as server:
            yield House(server, hub)


@pytest.fixture(autouse=True)
def whole(house: House) -> Iterator[None]:
    yield
    house.hub.heal()


def test_a_model_on_the_hub_is_planned_with_three_contexts(house: House) -> None:
    listed = house.get("/v1/discover/compatible")["data"]
    assert [each["id"] for each in listed] == ["org/small", "org/small-4", "org/large"]
    small = house.get("/v1/discover/models/org/small")
    assert small["fit"]["state"] in ("yes", "tight")
    assert small["fit"]["need_bytes"] > 10_000_000
    assert [each["context"] for each in small["fits"]] == [4096, 32_768, 131_072]
    assert small["fits"][0]["need_bytes"] < small["fits"][1]["need_bytes"]
    # Its weights are hardly there; what 131,072 tokens take of 80 layers is.
    large = house.get("/v1/discover/models/org/large")
    assert large["fits"][-1]["state"] in ("no", "tight")


def test_what_is_installed_is_shown_so(house: House) -> None:
    (found,) = house.get("/v1/discover/models?query=small-4")["data"]
    assert found["installed"] is None
    with house.server.client() as client:
        assert [each["id"] for each in client.get("/v1/models").json()["data"]] == ["own/local"]


def test_the_token_goes_to_the_hub_alone_and_into_no_log(house: House) -> None:
    hub = house.hub
    for fault in ({"status": 500}, {"status": 302, "headers": {"Location": f"{hub.cdn_url}/x"}}):
        hub.fault("*", Fault("status", where="api", times=None, **fault))
        with house.server.client() as client:
            assert client.get("/v1/discover/models/org/other").status_code == 502
        hub.heal()
    asked = hub.asked()
    assert any(each.token == f"Bearer {TOKEN}" for each in asked)
    assert all(each.token is None for each in asked if each.host == hub.cdn_url.partition("//")[2])
    assert TOKEN not in house.server.log.read_text(errors="replace")
    shown = json.dumps(house.get("/v1/settings"))
    assert TOKEN not in shown


def test_search_prints_a_table_and_says_what_it_left_out(house: House) -> None:
    ran = house.command("search", "small")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0].split() == [
        "Model", "Kind", "Parameters", "Weights", "Size", "Fits", "Downloads", "Here"
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:]] == ["org/small", "org/small-4"]
    assert "1.2K" in lines[1]
    ran = house.command("search")
    assert "tagged `mlx`" in ran.stderr
    none = house.command("search", "nothing-like-it")
    assert (none.returncode, none.stdout) == (0, "No such models were found.\n")
    limited = house.command("search", "small", "--limit", "1")
    assert "--cursor" in limited.stderr


def test_search_takes_the_filters_of_the_endpoint(house: House) -> None:
    ran = house.command(
        "search", "small", "--quantization", "4bit", "--max-size", "1 GB", "--fits", "--kind",
        "text", "--author", "org", "--sort", "likes", "--json",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert [each["id"] for each in json.loads(ran.stdout)["data"]] == ["org/small-4"]
    for wrong in (("--limit", "0"), ("--max-size", "much"), ("--limit", "101")):
        assert house.command("search", *wrong).returncode == 2
    refused = house.command("search", "--kind", "magic")
    assert refused.returncode == 1
    assert "kind" in refused.stderr


def test_search_shows_starters_without_the_hub(house: House) -> None:
    asked = len(house.hub.seen)
    ran = house.command("search", "--starters")
    assert ran.returncode == 0, ran.stderr
    assert "mlx-community/Qwen3-4B-Instruct-2507-4bit" in ran.stdout
    assert "advised" in ran.stdout
    assert len(house.hub.seen) == asked


def test_info_shows_a_model_of_the_hub(house: House) -> None:
    ran = house.command("info", "org/small", "--files")
    assert ran.returncode == 0, ran.stderr
    for said in ("org/small", "mit", "llama", "131,072 tokens", "model.safetensors", "org/small-4"):
        assert said in ran.stdout
    assert "code of its own" in ran.stdout
    whole = json.loads(house.command("info", "org/small", "--json").stdout)
    assert whole["revision"] == house.hub.repos["org/small"].head.sha
    gated = house.command("info", "org/gated")
    assert "asked its publisher" in gated.stdout


def test_a_card_commands_no_terminal(house: House) -> None:
    ran = house.command("info", "org/small", "--card")
    assert ran.stdout == "# Small\n[31mred[0m and loud\n\n"


def test_info_shows_an_installed_model_that_no_hub_has(house: House) -> None:
    ran = house.command("info", "local")
    assert ran.returncode == 0, ran.stderr
    assert "own/local" in ran.stdout
    assert "known here" in ran.stderr
    card = house.command("info", "local", "--card")
    assert (card.returncode, card.stdout) == (0, "There is no model card.\n")
    none = house.command("info", "org/none")
    assert none.returncode == 1
    assert "has no model org/none" in none.stderr


@pytest.mark.soak
def test_the_shell_of_the_guide_runs(house: House, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "mlx-gui"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mlx_gui "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "MLX_GUI_DATA_DIR": str(house.server.data_dir),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "NO_PROXY": "127.0.0.1",
    }
    examples: list[str] = SHELL.findall(GUIDE.read_text())
    assert len(examples) == 3
    for example in examples:
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", at(example, house.server.address)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=DEADLINE_S,
        )
        assert ran.returncode == 0, ran.stderr
        assert '"error"' not in ran.stdout
        assert "mlx-community/Qwen3-" in ran.stdout


def at(example: str, address: str) -> str:
    """The example for the server at `address`."""
    return example.replace("http://127.0.0.1:8000", address)
