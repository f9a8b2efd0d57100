"""The guide of transcription runs as it is written, on real speech."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.speech import BECKETT, beckett
from tests.real.whisper import whisper_tiny_en
from tests.support.server import Server, running_server

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "transcription.md"
FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DEADLINE_S = 600
BREAK = "--- next example"


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hearing")
    models = folder / "models" / "real"
    models.mkdir(parents=True)
    (models / "whisper-tiny.en").symlink_to(whisper_tiny_en())
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the recording that the guide speaks of."""
    shutil.copy(beckett(), tmp_path / "interview.wav")
    return tmp_path


def blocks(language: str) -> list[str]:
    found: list[tuple[str, str]] = FENCE.findall(GUIDE.read_text(encoding="utf-8"))
    return [text for named, text in found if named == language]


def run(server: Server, desk: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=desk,
        env={**os.environ, "MLX_GUI_DATA_DIR": str(server.data_dir)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_python_runs_from_top_to_bottom(hearing: Server, desk: Path) -> None:
    examples = [each.replace("http://127.0.0.1:8000", hearing.address) for each in blocks("python")]
    program = f"\nprint({BREAK!r})\n".join(examples)

    said = run(hearing, desk, sys.executable, "-c", program).split(BREAK)

    assert len(said) == len(examples) == 3
    assert said[0].strip() == BECKETT
    assert re.search(r"^0\.00 2\.\d\d  Ever tried, ever failed\.$", said[1], re.MULTILINE)
    assert said[2].strip() == BECKETT


def test_its_command_writes_the_text(hearing: Server, desk: Path) -> None:
    (example,) = blocks("sh")

    said = run(
        hearing, desk, "bash", "-c", example.replace("mlx-gui", f"{sys.executable} -m mlx_gui")
    )

    assert said.strip() == BECKETT


def test_the_command_writes_files_of_any_format_and_names_those_that_fail(
    hearing: Server, desk: Path
) -> None:
    (desk / "text.wav").write_text("This is no sound.\n" * 10, encoding="utf-8")
    command = [sys.executable, "-m", "mlx_gui", "transcribe", "text.wav", "interview.wav", "no.wav"]
    done = subprocess.run(
        [*command, "--format", "srt", "--out", "subtitles"],
        cwd=desk,
        env={**os.environ, "MLX_GUI_DATA_DIR": str(hearing.data_dir)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert done.returncode == 1
    assert "text.wav: `file` is no sound: it is text." in done.stderr
    assert "no.wav cannot be read" in done.stderr
    assert [each.name for each in (desk / "subtitles").iterdir()] == ["interview.srt"]
    subtitles = (desk / "subtitles" / "interview.srt").read_text(encoding="utf-8")
    assert subtitles.startswith("1\n00:00:00,000 --> 00:00:03,000\nEver tried, ever failed.\n\n2\n")
