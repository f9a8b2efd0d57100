"""The service under systemd itself: it comes back after kill -9 and goes without a trace."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from mlx_gui.client import Client, ServerUnreachable, read_runtime
from mlx_gui.core.errors import MlxGuiError
from tests.process.user_systemd import UserSystemd, can_run, user_systemd
from tests.support.server import first_start
from tests.support.waiting import wait_until

START_DEADLINE_S = 120
LONG = '{"fake": {"text": "tick ", "repeat": 100, "delay_ms": 20}}'

pytestmark = pytest.mark.skipif(not can_run(), reason="no systemd of one's own can run here")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    shutil.copytree(first_start(), folder)
    return folder


@pytest.fixture
def manager(tmp_path: Path, data_dir: Path) -> Iterator[UserSystemd]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MLX_GUI_")}
    (tmp_path / "home").mkdir()
    settings = {
        "MLX_GUI_DATA_DIR": str(data_dir),
        "MLX_GUI_ENGINE": "fake",
        "MLX_GUI_PORT": "0",
        "MLX_GUI_WARM_SPARE": "off",
    }
    # What tests import lies in the clone, which no service knows of.
    home = {"HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    with user_systemd(kept | settings | home, tmp_path / "systemd.log") as manager:
        yield manager


def serves(data_dir: Path, *, other_than: int = 0) -> bool:
    runtime = read_runtime(data_dir)
    if runtime is None or runtime.pid == other_than:
        return False
    try:
        with Client.from_runtime(data_dir, timeout_s=5) as client:
            return bool(client.models().data)
    except (ServerUnreachable, MlxGuiError):
        return False


def pid_of(data_dir: Path) -> int:
    runtime = read_runtime(data_dir)
    assert runtime is not None
    return runtime.pid


def test_a_service_lives_through_kill_9_lets_answers_finish_and_leaves_nothing(
    tmp_path: Path, data_dir: Path, manager: UserSystemd
) -> None:
    def service(*arguments: str) -> str:
        ended = manager.run(sys.executable, "-m", "mlx_gui", "service", *arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    service("install")
    wait_until(lambda: serves(data_dir), what="the service", deadline_s=START_DEADLINE_S)
    first = pid_of(data_dir)
    assert json.loads(service("status", "--json"))["activity"]["pid"] == first

    os.kill(first, signal.SIGKILL)
    wait_until(
        lambda: serves(data_dir, other_than=first),
        what="the service to be back",
        deadline_s=START_DEADLINE_S,
    )
    second = pid_of(data_dir)
    assert json.loads(service("status", "--json"))["activity"]["restarts"] == 1

    with Client.from_runtime(data_dir) as client:
        model = client.models().data[0].id
        client.load(model)
        asked = {"model": model, "prompt": LONG, "stream": True}
        with httpx.stream("POST", f"{client.address}/v1/completions", json=asked) as answer:
            lines = answer.iter_lines()
            next(lines)
            service("restart")
            rest = list(lines)
    assert "data: [DONE]" in rest
    wait_until(
        lambda: serves(data_dir, other_than=second),
        what="the service to be back",
        deadline_s=START_DEADLINE_S,
    )

    last = pid_of(data_dir)
    service("uninstall")
    assert not psutil.pid_exists(last)
    assert list((tmp_path / "home").iterdir()) == []
