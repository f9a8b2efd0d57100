"""`mlx-gui run` of a model that is not installed: it asks, brings it, and chats."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download

from tests.hub.server import HubServer
from tests.process.pulling import left_behind, mlx_gui, settings_of
from tests.support.server import Server, running_server
from tests.zoo.cache import checkpoint

MODEL = "tiny/Qwen3-tiny-trained"


def test_a_question_to_a_model_that_is_not_here_brings_it(tmp_path: Path, hub: HubServer) -> None:
    hub.add(MODEL, checkpoint("Qwen3-tiny-trained"))
    settings = settings_of(tmp_path, hub, max_context_tokens=256)
    with running_server(tmp_path, engine="mlx", settings=settings) as server:
        asked = mlx_gui(server, "run", MODEL, "Hello", "--max-tokens", "4")
        _, problems = asked.communicate(timeout=90)
        assert asked.returncode == 1
        assert "is not installed" in problems
        assert f"`mlx-gui pull {MODEL}`" in problems
        asked = mlx_gui(server, "run", MODEL, "Hello", "--max-tokens", "4", "--pull")
        _, problems = asked.communicate(timeout=90)
        assert asked.returncode == 0, problems


@pytest.mark.soak
def test_at_a_terminal_it_asks_first(tmp_path: Path, hub: HubServer) -> None:
    hub.add(MODEL, checkpoint("Qwen3-tiny-trained"))
    settings = settings_of(tmp_path, hub, max_context_tokens=256)
    with running_server(tmp_path, engine="mlx", settings=settings) as server:
        assert conversation(server, "n\n") == 1
        assert left_behind(tmp_path / "hub") == []
        assert conversation(server, "y\n") == 0
        assert snapshot_download(MODEL, cache_dir=tmp_path / "hub", local_files_only=True)


def conversation(server: Server, answer: str) -> int:
    """The exit code of a question at a terminal, where somebody gives this answer."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "mlx_gui", "run", MODEL, "Hello", "--max-tokens", "4"]
    asked = subprocess.Popen(
        [*command, "--data-dir", str(server.data_dir)], stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while b"Download it from the hub?" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, answer.encode())
        while True:
            shown += os.read(ours, 1000)
    except OSError:
        # That is how a terminal ends whose program has.
        return asked.wait(60)
    finally:
        print(shown.decode(errors="replace"))
        os.close(ours)
