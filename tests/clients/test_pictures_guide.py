"""The guide of pictures runs as it is written, on a model that tells what it sees."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pictures import RED, plain
from tests.support.server import Server

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "pictures.md"
FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED, MODEL = "Qwen2-VL-2B-Instruct", "fake/vision"
SEEN = "I see 64x64 #ff0000. You said: What is this?"
BREAK = "--- next example"
DEADLINE_S = 120


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the picture that the guide speaks of."""
    (tmp_path / "photo.png").write_bytes(plain(RED))
    return tmp_path


def blocks(language: str, server: Server) -> list[str]:
    found: list[tuple[str, str]] = FENCE.findall(GUIDE.read_text(encoding="utf-8"))
    return [
        text.replace("http://127.0.0.1:8000", server.address).replace(NAMED, MODEL)
        for named, text in found
        if named == language
    ]


def run(server: Server, desk: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=desk,
        env={**os.environ, "MLX_GUI_DATA_DIR": str(server.data_dir), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_python_runs_from_top_to_bottom(server: Server, desk: Path) -> None:
    program = f"\nprint({BREAK!r})\n".join(blocks("python", server))

    chat, response, message, line = run(server, desk, sys.executable, "-c", program).split(BREAK)

    assert chat.strip() == f"{SEEN}\n6 tokens for the picture"
    assert response.strip() == SEEN.replace("What is this?", "Of which colour?")
    assert message.strip() == line.strip() == SEEN


def test_its_shell_runs(server: Server, desk: Path) -> None:
    for example in blocks("sh", server):
        command = example.replace("mlx-gui", f"{sys.executable} -m mlx_gui")

        assert SEEN in run(server, desk, "bash", "-euo", "pipefail", "-c", command)
