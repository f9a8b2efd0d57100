"""The shell of the guides about downloads, imports and the disk runs as it is written."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.gguf_files import source_metadata, source_tensors, write_gguf
from tests.engines.remote import child
from tests.hub.server import HubServer
from tests.process.pulling import settings_of
from tests.process.visitor import Visitor, visited_server
from tests.zoo.cache import checkpoint

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MODEL = "mlx-community/Qwen3-0.6B-4bit"
SOURCE = "SmolLM2-tiny-trained"
DEADLINE_S = 180


@pytest.fixture
def served(tmp_path: Path, hub: HubServer) -> Iterator[Visitor]:
    """A server whose hub has the model of the guides."""
    hub.add(MODEL, checkpoint("Qwen3-tiny-trained"), tags=("mlx",))
    (tmp_path / "hub").mkdir()
    folders = os.pathsep.join((str(tmp_path / "models"), str(tmp_path / "hub")))
    settings = settings_of(tmp_path, hub, model_dirs=folders, max_context_tokens=256)
    with visited_server(tmp_path, engine="mlx", settings=settings) as visitor:
        yield visitor


def shell(page: str) -> list[str]:
    examples: list[str] = SHELL.findall((GUIDES / f"{page}.md").read_text())
    assert examples
    return examples


def run(served: Visitor, home: Path, example: str) -> str:
    """What the example writes, with this server and the home folder `home`."""
    program = home / "bin" / "mlx-gui"
    if not program.exists():
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mlx_gui "$@"\n')
        program.chmod(0o755)
    here = example.replace("http://127.0.0.1:8000", served.server.address)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", here.replace("/Volumes", str(home / "Volumes"))],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        env={
            **os.environ,
            "HOME": str(home),
            "MLX_GUI_DATA_DIR": str(served.server.data_dir),
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1",
        },
        timeout=DEADLINE_S,
    )
    assert ran.returncode == 0, ran.stderr
    assert '"error":{' not in ran.stdout
    return ran.stdout


def listed(served: Visitor) -> set[str]:
    return {model["id"] for model in served.client.get("/v1/models").json()["data"]}


def test_the_guide_of_downloads(served: Visitor, tmp_path: Path) -> None:
    (example,) = shell("downloads")
    assert f"{MODEL} is installed" in run(served, tmp_path, example)
    assert listed(served) == {MODEL}


@pytest.mark.soak
def test_the_guide_of_models_on_the_disk(served: Visitor, tmp_path: Path) -> None:
    run(served, tmp_path, f"mlx-gui pull {MODEL}")
    disk, aliases = shell("models-on-disk")
    said = run(served, tmp_path, disk)
    assert "is in the trash" in said
    assert listed(served) == {MODEL}
    assert f"gpt-4o stands for {MODEL}." in run(served, tmp_path, aliases)
    left = served.client.get("/v1/aliases").json()["data"]
    assert [each["id"] for each in left] == ["claude-*", "gpt-4o"]


@pytest.mark.soak
def test_the_guide_of_making_models(served: Visitor, tmp_path: Path) -> None:
    (tmp_path / "Downloads").mkdir()
    source = checkpoint(SOURCE)
    for place in (
        "Downloads/SmolLM3-3B-4bit",
        "Volumes/Models/gemma",
        "Volumes/Models/phi",
        "models/Qwen3-4B",
    ):
        shutil.copytree(source, tmp_path / place)
    with child() as process:
        tensors = process.call(source_tensors, source, "Q8_0")
    write_gguf(tmp_path / "Downloads" / "smollm2.Q8_0.gguf", source_metadata(source), tensors)
    served.client.post("/v1/models/rescan").raise_for_status()
    for example in shell("making-models"):
        run(served, tmp_path, example)
    for job in served.client.get("/v1/jobs").json()["data"]:
        assert job["state"] in ("queued", "running", "done"), job
    made = {"SmolLM3-3B-4bit", "Qwen3-4B-4bit", "mine/gemma", "smollm2.Q8_0", "mine/Qwen3-4B-8bit"}
    assert made <= listed(served)
