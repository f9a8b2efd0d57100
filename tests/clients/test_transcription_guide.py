"""The guide of transcription runs as it is written: on a tiny model, and in the soak on speech."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.speech import BECKETT, beckett
from tests.real.whisper import whisper_tiny_en
from tests.support.server import Server, running_server
from tests.tongues.checkpoints import whisper_tongues
from tests.tongues.sounds import TEXTS, wav

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "transcription.md"
FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DEADLINE_S = 600
BREAK = "--- next example"


@dataclass(frozen=True, slots=True)
class Interview:
    """A recording, and what a model hears in it: the text, its first line, and its subtitles."""

    model: Callable[[], Path]
    recording: Callable[[], bytes]
    text: str
    line: str
    subtitles: str


TINY = Interview(
    whisper_tongues,
    lambda: wav("en"),
    TEXTS["en"],
    r"^0\.00 2\.\d\d  This is a tone\.$",
    "1\n00:00:00,000 --> 00:00:24,000\nThis is a tone.\n",
)
REAL = Interview(
    whisper_tiny_en,
    lambda: beckett().read_bytes(),
    BECKETT,
    r"^0\.00 2\.\d\d  Ever tried, ever failed\.$",
    "1\n00:00:00,000 --> 00:00:03,000\nEver tried, ever failed.\n\n2\n",
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(TINY, id="tiny"),
        pytest.param(REAL, id="real", marks=pytest.mark.soak),
    ],
)
def interview(request: pytest.FixtureRequest) -> Interview:
    return request.param


@pytest.fixture(scope="module")
def hearing(interview: Interview, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hearing")
    models = folder / "models" / "real"
    models.mkdir(parents=True)
    (models / "whisper-tiny.en").symlink_to(interview.model())
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


@pytest.fixture
def desk(interview: Interview, tmp_path: Path) -> Path:
    """A folder with the recording that the guide speaks of."""
    (tmp_path / "interview.wav").write_bytes(interview.recording())
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


def test_its_python_runs_from_top_to_bottom(
    interview: Interview, hearing: Server, desk: Path
) -> None:
    examples = [each.replace("http://127.0.0.1:8000", hearing.address) for each in blocks("python")]
    program = f"\nprint({BREAK!r})\n".join(examples)

    said = run(hearing, desk, sys.executable, "-c", program).split(BREAK)

    assert len(said) == len(examples) == 3
    assert said[0].strip() == interview.text
    assert re.search(interview.line, said[1], re.MULTILINE)
    assert said[2].strip() == interview.text


def test_its_command_writes_the_text(interview: Interview, hearing: Server, desk: Path) -> None:
    (example,) = blocks("sh")

    said = run(
        hearing, desk, "bash", "-c", example.replace("mlx-gui", f"{sys.executable} -m mlx_gui")
    )

    assert said.strip() == interview.text


def test_the_command_writes_files_of_any_format_and_names_those_that_fail(
    interview: Interview, hearing: Server, desk: Path
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
    assert subtitles.startswith(interview.subtitles)
