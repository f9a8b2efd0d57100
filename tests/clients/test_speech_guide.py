"""The guide of speech runs as it is written, on a tiny model; and what the command does."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from tests.support.server import Server, running_server
from tests.voices.checkpoints import pocket_tts

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "speech.md"
FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DEADLINE_S = 600
RATE_HZ = 24_000


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("speaking")
    models = folder / "models" / "real"
    models.mkdir(parents=True)
    (models / "pocket-tts").symlink_to(pocket_tts())
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


def blocks(language: str) -> list[str]:
    found: list[tuple[str, str]] = FENCE.findall(GUIDE.read_text(encoding="utf-8"))
    return [text for named, text in found if named == language]


def run(
    server: Server,
    folder: Path,
    *command: str,
    piped: bytes | None = None,
    path: str | None = None,
) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "MLX_GUI_DATA_DIR": str(server.data_dir)}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=piped,
        stdin=None if piped is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )


def speak(
    server: Server,
    folder: Path,
    *arguments: str,
    piped: bytes | None = None,
    path: str | None = None,
) -> subprocess.CompletedProcess[bytes]:
    command = (sys.executable, "-m", "mlx_gui", "speak", *arguments)
    return run(server, folder, *command, piped=piped, path=path)


def frames_of(file: Path) -> int:
    return soundfile.info(file).frames


def test_its_python_runs_from_top_to_bottom(speaking: Server, tmp_path: Path) -> None:
    examples = [
        each.replace("http://127.0.0.1:8000", speaking.address) for each in blocks("python")
    ]
    assert len(examples) == 3

    done = run(speaking, tmp_path, sys.executable, "-c", "\n".join(examples))

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines() == ["4.0 s", "['anna', 'bert']"]
    assert frames_of(tmp_path / "morning.flac") == 4 * RATE_HZ


def test_its_command_writes_a_file_that_knows_its_length(speaking: Server, tmp_path: Path) -> None:
    (example,) = blocks("sh")

    program = example.replace("mlx-gui", f"{sys.executable} -m mlx_gui")
    done = run(speaking, tmp_path, "bash", "-c", program)

    assert done.returncode == 0, done.stderr.decode()
    file = tmp_path / "morning.wav"
    content = file.read_bytes()
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    assert int.from_bytes(content[40:44], "little") == len(content) - 44
    assert frames_of(file) == (len(content) - 44) // 2 > RATE_HZ
    assert [each.name for each in tmp_path.iterdir()] == ["morning.wav"]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        pytest.param(("--output", "a.mp3"), "a.mp3", marks=pytest.mark.soak),
        pytest.param(("--output", "a.ogg"), "a.ogg", marks=pytest.mark.soak),
        (("--output", "a.bin", "--format", "flac", "--speed", "2", "--seed", "3"), "a.bin"),
    ],
)
def test_a_text_that_is_piped_in_becomes_a_file(
    speaking: Server, tmp_path: Path, arguments: tuple[str, ...], name: str
) -> None:
    done = speak(speaking, tmp_path, *arguments, piped=b"Good morning.\n")

    assert done.returncode == 0, done.stderr.decode()
    assert frames_of(tmp_path / name) >= RATE_HZ


def test_a_pipe_gets_the_bytes(speaking: Server, tmp_path: Path) -> None:
    done = speak(speaking, tmp_path, "Good morning.", "--output", "-", "--format", "pcm")

    assert done.returncode == 0, done.stderr.decode()
    assert len(done.stdout) == 2 * 4 * RATE_HZ


def test_a_player_of_the_system_gets_a_whole_file_that_is_gone_afterwards(
    speaking: Server, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    player = programs / "paplay"
    player.write_text('#!/bin/sh\necho "$1" > played\ncp "$1" copy.wav\n', encoding="utf-8")
    player.chmod(0o755)

    done = speak(speaking, tmp_path, "Good morning.", path=f"{programs}:/usr/bin:/bin")

    assert done.returncode == 0, done.stderr.decode()
    assert frames_of(tmp_path / "copy.wav") == 4 * RATE_HZ
    assert not Path((tmp_path / "played").read_text(encoding="utf-8").strip()).parent.exists()

    player.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    failed = speak(speaking, tmp_path, "Good morning.", path=f"{programs}:/usr/bin:/bin")
    assert failed.returncode == 1
    assert b"it ended with 3" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "because"),
    [
        (("Good morning.",), 1, "no program that plays sound"),
        (("Good morning.", "-o", "a.wav", "--voice", "clara"), 1, "its voices are: anna, bert"),
        (("Good morning.", "-o", "nowhere/a.wav"), 1, "cannot be written"),
        *(
            pytest.param(*each, marks=pytest.mark.soak)
            for each in (
                (("Good morning.", "-o", "a.wav", "--speed", "9"), 1, "between 0.25 and 4"),
                (("Good morning.", "-o", "a.wav", "--model", "nobody"), 1, "is not installed"),
                (("Good morning.", "-o", "a.txt"), 2, "names no format"),
                (("", "-o", "a.wav"), 1, "input"),
            )
        ),
    ],
)
def test_what_it_cannot_do_is_said_and_leaves_nothing(
    speaking: Server, tmp_path: Path, arguments: tuple[str, ...], code: int, because: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    done = speak(speaking, tmp_path, *arguments, path=str(empty))

    assert done.returncode == code, done.stderr.decode()
    assert because in " ".join(done.stderr.decode().split())
    assert [each.name for each in tmp_path.iterdir()] == ["empty"]
