"""Settings of the server take effect while it runs, and outlive it."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.process.visitor import ENDLESS, Stream, Visitor, chat, visited_server
from tests.support.server import first_start
from tests.support.waiting import wait_until

PATH = "/v1/settings"
ECHO, SECOND, SLOW_LOAD = "fake/echo", "fake/second", "fake/slow-load"
MB = 1_000_000


@contextmanager
def started(folder: Path, *, engine: str = "fake", file: str = "") -> Iterator[Visitor]:
    """A server of which everything but the engine can be changed."""
    if not (folder / "data").exists():
        shutil.copytree(first_start(), folder / "data")
    (folder / "data" / "config.toml").write_text(f"port = 0\nwarm_spare = false\n{file}")
    settings = {"port": None, "warm_spare": None}
    with visited_server(folder, engine=engine, settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    with started(tmp_path_factory.mktemp("settings")) as server:
        yield server


@pytest.fixture
def server(shared: Visitor) -> Iterator[Visitor]:
    """Nothing is loaded and nothing was changed, before the test and after it."""
    yield shared
    rows = shared.client.get(PATH).json()["settings"]
    changed(shared, **{name: None for name in rows if rows[name]["source"] == "interface"})
    shared.client.post("/v1/models/unload-all?force=true").raise_for_status()


def changed(server: Visitor, **settings: Any) -> dict[str, Any]:
    answer = server.client.patch(PATH, json={"settings": settings})
    assert answer.status_code == 200, answer.text
    return answer.json()["settings"]


def load(server: Visitor, model: str) -> httpx.Response:
    return server.client.post(f"/v1/models/{model}/load", json={})


def loaded(server: Visitor) -> set[str]:
    return {row["id"] for row in server.status()["loaded_models"]}


def budget(server: Visitor) -> dict[str, Any]:
    return server.client.get("/v1/system/status").json()["memory"]["budget"]


class Later:
    """A request in a thread of its own."""

    def __init__(self, ask: Callable[[], httpx.Response]) -> None:
        self._answers: list[httpx.Response] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(ask()))
        self._thread.start()

    def answer(self) -> httpx.Response:
        self._thread.join(60)
        return self._answers[0]


def test_how_many_models_may_be_loaded(server: Visitor) -> None:
    for model in (ECHO, SECOND):
        assert load(server, model).status_code == 200
    assert loaded(server) == {ECHO, SECOND}
    changed(server, max_loaded_models=1)
    assert server.status()["max_loaded_models"] == 1
    wait_until(lambda: loaded(server) == {SECOND}, what="the older model to leave")
    assert load(server, ECHO).status_code == 200
    assert loaded(server) == {ECHO}
    changed(server, max_loaded_models=2)
    assert load(server, SECOND).status_code == 200
    assert loaded(server) == {ECHO, SECOND}


def test_the_memory_that_models_may_use(server: Visitor) -> None:
    assert load(server, ECHO).status_code == 200
    before = budget(server)
    changed(server, memory_limit_bytes=10 * MB)
    wait_until(lambda: not loaded(server), what="the model that is too large to leave")
    assert budget(server)["static_bytes"] == 10 * MB
    refused = load(server, ECHO)
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "model_too_large")
    changed(server, memory_limit_bytes=None, memory_reserve_bytes=before["reserve_bytes"] + MB)
    assert budget(server)["reserve_bytes"] == before["reserve_bytes"] + MB
    assert load(server, ECHO).status_code == 200


def test_a_model_that_answers_ends_its_answer_below_a_lower_limit(server: Visitor) -> None:
    with server.stream(ECHO, ENDLESS) as running:
        running.text()
        changed(server, memory_limit_bytes=10 * MB)
        assert running.text()
        assert loaded(server) == {ECHO}


def test_how_long_idle_models_stay(server: Visitor) -> None:
    assert load(server, ECHO).status_code == 200
    changed(server, keep_alive_s=0)
    wait_until(lambda: not loaded(server), what="the idle model to leave")


def test_how_long_a_turn_lasts(server: Visitor) -> None:
    def waits_because() -> str:
        waiting = server.status()["waiting"]
        return (waiting[0]["waits_because"] or "") if waiting else ""

    changed(server, max_loaded_models=1, time_slice_s=3600)
    with server.stream(ECHO, ENDLESS) as running:
        running.text()
        later = Later(lambda: server.ask(SECOND, "Hi"))
        wait_until(lambda: "the turn of fake/echo" in waits_because(), what="it to wait")
        changed(server, time_slice_s=1)
        wait_until(lambda: "room is made" in waits_because(), what="the turn to end")
    assert later.answer().status_code == 200


def test_how_models_are_loaded(server: Visitor) -> None:
    assert load(server, ECHO).status_code == 200
    changed(server, slots=3, max_context_tokens=128)
    assert server.ask(ECHO, "Hi").status_code == 200
    row = server.row(ECHO)
    assert (row["slots"], row["context"]) == (3, 128)


def test_how_many_requests_wait_and_how_long(server: Visitor) -> None:
    changed(server, slots=1, max_queue=1)
    with server.stream(ECHO, ENDLESS) as running:
        running.text()
        later = Later(lambda: server.ask(ECHO, "Hi"))
        wait_until(lambda: server.row(ECHO)["queued"] == 1, what="the request to wait")
        assert server.ask(ECHO, "Hi").status_code == 429
        changed(server, max_queue=9, queue_timeout_s=0.2)
        late = server.ask(ECHO, "Hi")
        assert (late.status_code, late.json()["error"]["code"]) == (504, "queue_timeout")
    assert later.answer().status_code == 200


def test_how_long_a_load_may_take(server: Visitor) -> None:
    changed(server, load_timeout_s=0.1)
    refused = load(server, SLOW_LOAD)
    assert (refused.status_code, refused.json()["error"]["code"]) == (504, "load_timeout")


def test_how_long_a_worker_may_be_silent(server: Visitor) -> None:
    changed(server, hang_timeout_s=1, health_timeout_s=0.2)
    assert load(server, ECHO).status_code == 200
    worker = server.worker(ECHO)
    worker.suspend()
    health = server.client.get(f"/v1/models/{ECHO}/health").json()
    assert "within 0.2 s" in health["reason"]
    assert server.ask(ECHO, "Hi").status_code == 200
    assert server.row(ECHO)["pid"] != worker.pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to a limit")
def test_what_one_worker_may_allocate(server: Visitor) -> None:
    changed(server, worker_memory_limit_bytes=8_000 * MB)
    assert load(server, ECHO).status_code == 200
    assert server.worker(ECHO).rlimit(psutil.RLIMIT_DATA)[0] == 8_000 * MB


def test_after_how_many_requests_a_worker_is_replaced(server: Visitor) -> None:
    assert server.ask(ECHO, "Hi").status_code == 200
    changed(server, recycle_requests=1)
    assert server.ask(ECHO, "Hi").status_code == 200
    wait_until(lambda: not loaded(server), what="the worker to be replaced")


def test_whether_a_worker_is_kept_in_reserve(server: Visitor) -> None:
    changed(server, warm_spare=True)
    wait_until(lambda: server.status()["spare"], what="the spare to come", deadline_s=60)
    changed(server, warm_spare=False)
    wait_until(lambda: not server.status()["spare"], what="the spare to go")


def test_how_long_a_client_may_rest(server: Visitor) -> None:
    changed(server, client_stall_s=0.3)
    target = urlsplit(server.server.address)
    with socket.create_connection((target.hostname, target.port), 20) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localh")
        with suppress(ConnectionResetError):
            assert connection.recv(1000) == b""


def test_when_a_stream_begins_while_its_request_waits(server: Visitor) -> None:
    changed(server, stream_commit_s=0)
    with Stream(server.server.address, chat(SLOW_LOAD, "Hi", stream=True)) as waiting:
        assert waiting.response.status_code == 200
        assert server.row(SLOW_LOAD)["state"] in ("queued", "loading")


def test_how_much_is_logged(server: Visitor) -> None:
    def lines(text: str) -> list[str]:
        log = server.server.log.read_text().splitlines()
        return [line for line in log if text in line]

    changed(server, log_level="error")
    before = len(lines("model_loaded"))
    assert load(server, ECHO).status_code == 200
    changed(server, log_level=None)
    assert load(server, SECOND).status_code == 200
    wait_until(lambda: len(lines("model_loaded")) > before, what="the second load to be logged")
    assert [line for line in lines("model_loaded")[before:] if ECHO in line] == []


def test_how_long_responses_are_kept(server: Visitor) -> None:
    asked = {"model": ECHO, "input": "Hi"}
    stored = server.client.post("/v1/responses", json=asked).json()["id"]
    assert server.client.get(f"/v1/responses/{stored}").status_code == 200
    changed(server, responses_retention_days=0)
    wait_until(
        lambda: server.client.get(f"/v1/responses/{stored}").status_code == 404,
        what="the response to be forgotten",
    )


def test_whoever_shows_settings_hears_of_a_change(server: Visitor) -> None:
    address = f"{server.server.address}/v1/events?topics=settings"
    with httpx.stream("GET", address, timeout=60, trust_env=False) as events:
        lines = events.iter_lines()
        assert next(line for line in lines if line == "event: snapshot")
        begun = json.loads(next(line for line in lines if line.startswith("data: "))[6:])
        assert begun["settings"]["settings"]["slots"]["value"] == 32
        changed(server, slots=3)
        assert next(line for line in lines if line == "event: settings")
        told = json.loads(next(line for line in lines if line.startswith("data: "))[6:])
        assert told["settings"]["slots"]["source"] == "interface"


def test_the_command_shows_and_changes_settings_of_the_running_server(server: Visitor) -> None:
    def config(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mlx_gui", "config", *arguments]
        folder = str(server.server.data_dir)
        return subprocess.run(
            [*command, "--data-dir", folder], capture_output=True, text=True, check=False
        )

    shown = config("slots=3", "truncate=on", "allowed_hosts=a.lan,b.lan", "port=9000", "--json")
    assert shown.returncode == 0, shown.stderr
    rows = json.loads(shown.stdout)
    assert rows["slots"] == {"value": 3, "unit": None, "source": "interface", "pending": None}
    assert rows["allowed_hosts"]["value"] == ["a.lan", "b.lan"]
    assert rows["port"]["pending"] == {"value": 9000, "source": "interface"}
    table = config()
    assert "After a restart" in table.stdout
    line = next(line for line in table.stdout.splitlines() if line.startswith("truncate"))
    assert line.split() == ["truncate", "on", "interface"]
    refused = config("engine=mlx")
    assert refused.returncode == 1
    assert "MLX_GUI_ENGINE" in refused.stderr
    reset = config("--reset", "slots", "--reset", "port", "--json")
    assert json.loads(reset.stdout)["slots"]["source"] == "default"


def test_a_change_outlives_a_kill_and_a_port_that_is_taken_keeps_no_server_away(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, started(tmp_path) as server:
        port = taken.getsockname()[1]
        assert changed(server, port=port, slots=3)["port"]["pending"]["value"] == port
        server.server.process.send_signal(signal.SIGKILL)
        server.server.process.wait()
        with started(tmp_path) as again:
            body = again.client.get(PATH).json()
            assert body["settings"]["slots"]["value"] == 3
            assert body["settings"]["slots"]["source"] == "interface"
            assert body["settings"]["port"]["value"] == 0
            assert f"127.0.0.1:{port}" in body["problems"][0]
            assert changed(again, port=None)["port"]["pending"] is None


def test_how_long_running_answers_get_at_the_end(tmp_path: Path) -> None:
    with started(tmp_path) as server, server.stream(ECHO, ENDLESS) as running:
        running.text()
        changed(server, shutdown_grace_s=0)
        assert server.server.stop() == 0
        stopping = [
            line for line in server.server.log.read_text().splitlines() if '"stopping"' in line
        ]
        assert json.loads(stopping[0])["grace_s"] == 0


def test_in_which_folders_models_are_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "shelf" / "org" / "one"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(b"")
    with started(tmp_path, engine="mlx", file="model_dirs = []\n") as server:

        def ids() -> list[str]:
            return [model["id"] for model in server.client.get("/v1/models").json()["data"]]

        assert ids() == []
        changed(server, model_dirs=[str(tmp_path / "shelf")])
        wait_until(lambda: ids() == ["org/one"], what="the model to be found")
        changed(server, model_dirs=None)
        wait_until(lambda: ids() == [], what="the model to be forgotten")
