"""Models that are imported and converted through a running server, and answer."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engines.gguf_files import source_metadata, source_tensors, write_gguf
from tests.engines.remote import child
from tests.process.pulling import mlx_gui
from tests.process.visitor import Visitor, visited_server
from tests.support.soak import in_soak
from tests.support.waiting import wait_until
from tests.zoo.cache import checkpoint

SOURCE = "SmolLM2-tiny-trained"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("making")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Visitor]:
    (folder / "models").mkdir()
    settings = {"model_dirs": folder / "models", "max_context_tokens": 256}
    with visited_server(folder, engine="mlx", settings=settings) as visitor:
        yield visitor


def job(server: Visitor, answer: httpx.Response) -> dict[str, Any]:
    """The job that an answer names, once it has ended."""
    assert answer.status_code == 202, answer.text
    path = f"/v1/jobs/{answer.json()['id']}"

    def ended() -> bool:
        return server.client.get(path).json()["state"] in ("done", "failed")

    wait_until(ended, what="the job to end")
    return server.client.get(path).json()


def refusal(answer: httpx.Response, code: str) -> str:
    error = answer.json()["error"]
    assert error["code"] == code, error
    assert error["hint"]
    return error["message"]


@pytest.mark.parametrize("mode", ["link", "move", *in_soak("copy")])
def test_a_folder_is_imported_and_answers(server: Visitor, folder: Path, mode: str) -> None:
    source = folder / f"elsewhere-{mode}"
    shutil.copytree(checkpoint(SOURCE), source)
    body = {"path": str(source), "mode": mode, "name": f"mine/{mode}"}
    ended = job(server, server.client.post("/v1/models/import", json=body))
    assert (ended["state"], ended["kind"]) == ("done", "import")
    assert server.ask(f"mine/{mode}", "Hello", max_tokens=4).status_code == 200
    assert source.exists() == (mode != "move")
    assert (folder / "models" / "mine" / mode).is_symlink() == (mode == "link")
    assert not list((folder / "models" / ".importing").glob("*"))
    again = server.client.post("/v1/models/import", json=body)
    assert again.status_code in (400, 409)


def test_a_gguf_file_becomes_a_model_that_answers(server: Visitor, folder: Path) -> None:
    file = folder / "tiny.gguf"
    source = checkpoint(SOURCE)
    with child() as process:
        write_gguf(file, source_metadata(source), process.call(source_tensors, source, "Q8_0"))
    answer = server.client.post("/v1/models/import", json={"path": str(file)})
    assert job(server, answer)["state"] == "done"
    assert server.ask("tiny", "Hello", max_tokens=4).status_code == 200
    assert file.exists()


@pytest.mark.soak
def test_a_damaged_gguf_file_leaves_nothing_behind(server: Visitor, folder: Path) -> None:
    for name, content in (
        ("short.gguf", b"GGUF"),
        ("other.gguf", b"GGML" + bytes(100)),
        ("absurd.gguf", b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 16),
    ):
        (folder / name).write_bytes(content)
        answer = server.client.post("/v1/models/import", json={"path": str(folder / name)})
        ended = job(server, answer)
        assert ended["state"] == "failed"
        assert ended["error"]["code"] == "not_servable"
        assert ended["error"]["message"]
        model_id = name.removesuffix(".gguf")
        assert not (folder / "models" / model_id).exists()
        assert server.client.get(f"/v1/models/{model_id}").status_code == 404
        assert not list((folder / "models" / ".importing").glob("*"))
        removed = server.client.delete(f"/v1/jobs/{ended['id']}")
        assert removed.status_code == 200
    assert not list((folder / "models" / ".importing").glob("*"))


def test_a_model_is_converted_and_answers_beside_the_old_one(server: Visitor, folder: Path) -> None:
    shutil.copytree(checkpoint(SOURCE), folder / "models" / "plain")
    server.client.post("/v1/models/rescan").raise_for_status()
    path = "/v1/models/plain/convert"
    ended = job(server, server.client.post(path, json={"bits": 8, "group_size": 32}))
    assert (ended["state"], ended["kind"]) == ("done", "convert")
    shown = server.client.get("/v1/models/plain-8bit").raise_for_status().json()
    assert shown["quantization"]
    for model in ("plain", "plain-8bit"):
        assert server.ask(model, "Hello", max_tokens=4).status_code == 200
    again = server.client.post(path, json={"bits": 8, "group_size": 32})
    assert "already" in refusal(again, "conflict")
    twice = server.client.post("/v1/models/plain-8bit/convert", json={"group_size": 32})
    assert "quantized already" in refusal(twice, "model_unsupported")
    odd = server.client.post(path, json={"bits": 7})
    assert odd.status_code == 400


def test_what_is_no_model_is_refused_before_a_job_begins(server: Visitor, folder: Path) -> None:
    before = len(server.client.get("/v1/jobs").json()["data"])
    (folder / "empty").mkdir()
    for path, status in ((folder / "empty", 422), (folder / "nowhere", 400), ("models", 400)):
        answer = server.client.post("/v1/models/import", json={"path": str(path)})
        assert answer.status_code == status, answer.text
    inside = folder / "models" / "own"
    shutil.copytree(checkpoint(SOURCE), inside)
    answer = server.client.post("/v1/models/import", json={"path": str(inside), "name": "other"})
    shutil.rmtree(inside)
    assert "searched for models already" in refusal(answer, "conflict")
    assert len(server.client.get("/v1/jobs").json()["data"]) == before


def test_a_command_that_is_broken_off_says_that_the_work_goes_on(
    server: Visitor, folder: Path
) -> None:
    source = folder / "long"
    shutil.copytree(checkpoint(SOURCE), source)
    with (source / "long.txt").open("wb") as long:
        long.truncate(1_000_000_000)
    command = mlx_gui(server.server, "import", str(source), "--name", "mine/long")

    def under_way() -> dict[str, Any] | None:
        jobs = server.client.get("/v1/jobs").json()["data"]
        return next((job for job in jobs if job["done"] and job["state"] == "running"), None)

    wait_until(lambda: under_way() is not None, what="the copy to be under way")
    copying = under_way()
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "Import mine/long goes on." in said
    if copying is not None:
        server.client.post(f"/v1/jobs/{copying['id']}/cancel").raise_for_status()
    assert not list((folder / "models" / ".importing").glob("*"))


def test_a_kill_in_the_middle_leaves_nothing_half_and_the_next_start_finishes(
    tmp_path: Path,
) -> None:
    source = tmp_path / "elsewhere"
    shutil.copytree(checkpoint(SOURCE), source)
    with (source / "long.txt").open("wb") as long:
        long.truncate(300_000_000)
    models = tmp_path / "models"
    (models / "org").mkdir(parents=True)
    shutil.copytree(checkpoint(SOURCE), models / "org" / "plain")
    settings = {"model_dirs": models}
    with visited_server(tmp_path, settings=settings, engine="mlx") as visitor:
        body = {"path": str(source), "name": "org/long"}
        importing = visitor.client.post("/v1/models/import", json=body).json()["id"]
        path = "/v1/models/org/plain/convert"
        converting = visitor.client.post(path, json={"group_size": 32}).json()["id"]

        def under_way() -> bool:
            jobs = {job["id"]: job for job in visitor.client.get("/v1/jobs").json()["data"]}
            return jobs[importing]["done"] > 0 and jobs[converting]["state"] == "running"

        wait_until(under_way, what="both to be under way")
        assert not (models / "org" / "long").exists()
        visitor.server.process.kill()
        visitor.server.process.wait()
    with visited_server(tmp_path, settings=settings, engine="mlx") as visitor:
        for job_id in (importing, converting):
            ended = job(visitor, httpx.Response(202, json={"id": job_id}))
            assert ended["state"] == "done", ended
        listed = {each["id"] for each in visitor.client.get("/v1/models").json()["data"]}
        assert {"org/long", "org/plain-4bit"} <= listed
    assert (models / "org" / "long" / "long.txt").stat().st_size == 300_000_000
    assert not list((models / ".importing").iterdir())
