"""The shell examples of the guides about models run as they are written, on the fake engine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.visitor import Visitor

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DEADLINE_S = 120


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("settings-of-a-model", "context_tokens"),
        pytest.param("memory-plans", "fake/echo", marks=pytest.mark.soak),
    ],
)
def test_the_shell_of_a_guide_runs_and_leaves_nothing_behind(
    page: str, said: str, tmp_path: Path, server: Visitor
) -> None:
    program = tmp_path / "bin" / "mlx-gui"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mlx_gui "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "MLX_GUI_DATA_DIR": str(server.server.data_dir),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "NO_PROXY": "127.0.0.1",
    }
    examples: list[str] = SHELL.findall((GUIDES / f"{page}.md").read_text())
    assert examples
    for example in examples:
        here = example.replace("http://127.0.0.1:8000", server.server.address)
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", here.replace("SmolLM2-135M-Instruct", "echo")],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=DEADLINE_S,
        )
        assert ran.returncode == 0, ran.stderr
        assert '"error"' not in ran.stdout
        assert said in ran.stdout
    rows = server.client.get("/v1/models/fake/echo/settings").json()["settings"].values()
    assert {row["source"] for row in rows} == {"default", "server"}
