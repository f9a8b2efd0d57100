"""The standalone app as somebody meets it who has no Python; `make bundle` builds it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest

from mlx_gui.catalog.starters import EMBEDDED
from scripts.bundle.__main__ import size_bytes
from tests.support.installed import DEADLINE_S, Running, running_program
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "dist" / "mlx-gui"
BARE = {"PATH": "/usr/bin:/bin"}
LEFT_OUT = ("cv2", "datasets", "pandas", "pip", "pyarrow", "scipy", "torch")

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not (BUILT / "mlx-gui").is_file(), reason="`make bundle` has built none"),
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy somewhere else, as one who has downloaded it has it."""
    return shutil.copytree(BUILT, tmp_path_factory.mktemp("some where") / "mlx-gui", symlinks=True)


@pytest.fixture
def running(app: Path, tmp_path: Path) -> Iterator[Running]:
    asked = [app / "mlx-gui", "start", "--starter"]
    with running_program(asked, tmp_path, environment=BARE) as running:
        yield running


def test_it_answers_by_its_starter_and_survives_the_death_of_a_worker(
    app: Path, running: Running
) -> None:
    with running.client() as client:
        started_s = time.monotonic() - running.began_s
        wait_until(lambda: installed(client), what="the starter", deadline_s=DEADLINE_S)
        first = answer(client)
        first_s = time.monotonic() - running.began_s
        assert first
        assert strangers(running.process.pid, app) == []
        os.kill(worker_pid(client), signal.SIGKILL)
        assert answer(client) == first
        page = client.get("/admin/")
        assert page.status_code == 200
        assert "<html" in page.text
        facts = client.get("/v1/system/status").raise_for_status().json()
    print(
        f"{size_bytes(app) / 1e6:.0f} MB; the server answers after {started_s:.1f} s, the starter "
        f"has answered after {first_s:.1f} s; {facts['device']}"
    )


def test_one_that_is_moved_while_it_runs_says_so_and_goes_on_when_it_is_back(
    app: Path, running: Running
) -> None:
    with running.client() as client:
        wait_until(lambda: installed(client), what="the starter", deadline_s=DEADLINE_S)
        assert answer(client)
        elsewhere = app.with_name("moved")
        app.rename(elsewhere)
        try:
            os.kill(worker_pid(client), signal.SIGKILL)
            refused = ask(client)
        finally:
            elsewhere.rename(app)
        assert_gone(refused)
        assert answer(client)


def test_the_very_first_request_to_one_that_was_moved_is_told_so_too(
    app: Path, running: Running
) -> None:
    with running.client() as client:
        wait_until(lambda: is_ready(client), what="the start", deadline_s=DEADLINE_S)
        wait_until(lambda: installed(client), what="the starter", deadline_s=DEADLINE_S)
        elsewhere = app.with_name("moved")
        app.rename(elsewhere)
        try:
            assert_gone(ask(client))
            assert client.get("/health").status_code == 200
        finally:
            elsewhere.rename(app)
        assert answer(client)


def assert_gone(refused: httpx.Response) -> None:
    assert refused.status_code == 503
    error = refused.json()["error"]
    assert error["code"] == "program_gone"
    assert "was moved or removed" in error["message"]
    assert error["hint"]


def is_ready(client: httpx.Client) -> bool:
    return client.get("/ready").status_code == 200


def test_a_command_says_what_is_inside(app: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [app / "mlx-gui", "version", "--json"],
        env=BARE,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    versions = msgspec.json.decode(told.stdout, type=dict[str, str])
    assert versions["mlx-gui"]
    assert versions["mlx-lm"]
    assert told.returncode == 0


def test_nothing_in_it_names_a_place_of_the_machine_that_built_it(app: Path) -> None:
    places = {str(place).encode() for place in (ROOT, ROOT.resolve(), Path.home(), BUILT)}
    places = {place for place in places if len(place) > len("/root")}
    found = [
        str(file.relative_to(app))
        for file in app.rglob("*")
        if file.is_file() and any(place in file.read_bytes() for place in places)
    ]
    assert found == []


def test_it_holds_mlx_once_and_nothing_that_is_left_out(app: Path) -> None:
    names = [file for file in app.rglob("*") if not file.is_symlink()]
    assert len([file for file in names if file.name.startswith("libmlx.")]) == 1
    inside = app / "_internal"
    assert [name for name in LEFT_OUT if (inside / name).exists()] == []
    assert list(inside.rglob("opencv*")) == []


def test_it_says_the_licence_of_everything_in_it(app: Path) -> None:
    text = (app / "_internal" / "LICENCES.txt").read_text()
    packages = [path.name.partition("-")[0] for path in (app / "_internal").glob("*.dist-info")]
    assert len(packages) > 50
    named = text.lower().replace("-", "_")
    assert [name for name in packages if f"\n{name.lower()} ".replace("-", "_") not in named] == []
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in text


def installed(client: httpx.Client) -> bool:
    return EMBEDDED.model_id in [each["id"] for each in client.get("/v1/models").json()["data"]]


def ask(client: httpx.Client) -> httpx.Response:
    return client.post(
        "/v1/chat/completions",
        json={
            "model": EMBEDDED.model_id,
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 8,
            "temperature": 0,
        },
    )


def answer(client: httpx.Client) -> str:
    body: dict[str, Any] = ask(client).raise_for_status().json()
    return body["choices"][0]["message"]["content"]


def worker_pid(client: httpx.Client) -> int:
    models = client.get("/v1/manager/status").raise_for_status().json()["loaded_models"]
    return models[0]["pid"]


def strangers(pid: int, app: Path) -> list[str]:
    """What processes of the app have in memory of a Python that is not its own."""
    if sys.platform != "linux":
        return []
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    mapped = {each.path for process in family for each in process.memory_maps()}
    ours = str(app.resolve())
    return sorted(path for path in mapped if "python" in path.lower() and not path.startswith(ours))
