"""Models come from a hub: whole, verified, and with a progress that is true."""

import json
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from huggingface_hub import scan_cache_dir, snapshot_download
from ollama import Client

from tests.hub.server import HubServer
from tests.process.pulling import (
    MB,
    Pull,
    check_whole,
    digests,
    fetchers,
    install,
    left_behind,
    limit,
    mlx_gui,
    repo_folder,
    settings_of,
)
from tests.process.visitor import Visitor, visited_server
from tests.support.waiting import wait_until
from tests.zoo.cache import checkpoint

MODEL = "tiny/Qwen3-tiny-trained"
TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"


def test_from_an_id_to_a_chat(tmp_path: Path, hub: HubServer) -> None:
    source = checkpoint("Qwen3-tiny-trained")
    commit = hub.add(MODEL, source).head.sha
    cache = tmp_path / "hub"
    settings = settings_of(tmp_path, hub, max_context_tokens=256, hub_token=TOKEN)
    with visited_server(tmp_path, engine="mlx", settings=settings) as visitor:
        client = visitor.client
        with client.stream("GET", "/v1/events?topics=download,models") as events:
            pull = install(client, MODEL)
            assert pull.seen[0]["revision"] == commit
            done = pull.until("done")
            lines = events.iter_lines()
            names = {line.removeprefix("event: ") for line in _until(lines, "event: model")}
            assert {"snapshot", "download", "model"} <= names
        pull.check_progress()
        assert done["files_done"] == done["files_total"]
        (listed,) = client.get("/v1/models").json()["data"]
        assert listed["id"] == MODEL
        answer = visitor.ask(MODEL, "Hello", max_tokens=4)
        assert answer.status_code == 200, answer.text
        again = client.post("/v1/models/install", json={"model_id": MODEL})
        assert (again.status_code, again.json()["id"]) == (200, MODEL)
        log = visitor.server.log.read_text()
    assert TOKEN not in log
    assert any(each.token == f"Bearer {TOKEN}" for each in hub.seen)
    assert not any(each.token for each in hub.seen if each.host in hub.cdn_url)
    folder = Path(snapshot_download(MODEL, cache_dir=cache, local_files_only=True))
    assert folder.name == commit
    assert digests(folder).items() <= digests(source).items()
    found = scan_cache_dir(cache)
    assert (found.warnings, found.incomplete_files) == ([], frozenset())
    assert [repo.repo_id for repo in found.repos] == [MODEL]


def _until(lines: Iterator[str], last: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line == last:
            return


def test_what_the_hubs_own_client_has_fetched_is_served(tmp_path: Path, hub: HubServer) -> None:
    hub.add(MODEL, checkpoint("Qwen3-tiny-trained"))
    cache = tmp_path / "hub"
    snapshot_download(MODEL, cache_dir=cache, endpoint=hub.url)
    settings = settings_of(tmp_path, hub, max_context_tokens=256)
    with visited_server(tmp_path, engine="mlx", settings=settings) as visitor:
        answer = visitor.client.post("/v1/models/install", json={"model_id": MODEL})
        assert answer.status_code == 200
        assert visitor.ask(MODEL, "Hello", max_tokens=2).status_code == 200


def test_two_who_want_the_same_share_one_download(
    slow: Visitor, noise: Path, tmp_path: Path
) -> None:
    found: list[httpx.Response] = []
    asked = [
        threading.Thread(
            target=lambda: found.append(
                slow.client.post("/v1/models/install", json={"model_id": "org/noise"})
            )
        )
        for _ in range(4)
    ]
    for each in asked:
        each.start()
    for each in asked:
        each.join()
    assert {answer.status_code for answer in found} == {202}
    assert len({answer.json()["id"] for answer in found}) == 1
    pull = Pull(slow.client, found[0].json())
    other = slow.client.post(
        "/v1/models/install", json={"model_id": "org/noise", "files": ["*.json"]}
    )
    assert other.status_code == 409
    pull.finish()
    pull.check_progress()
    check_whole(tmp_path / "hub", "org/noise", noise)
    assert len(slow.client.get("/v1/downloads").json()["data"]) == 1


@pytest.mark.soak
def test_the_hubs_own_client_waits_for_what_we_fetch(
    slow: Visitor, noise: Path, tmp_path: Path, hub: HubServer
) -> None:
    pull = install(slow.client, "org/noise")
    pull.until("downloading", bytes_done=1 * MB)
    # It knows the lock of each file, and waits for those that are on their way.
    folder = snapshot_download("org/noise", cache_dir=tmp_path / "hub", endpoint=hub.url)
    pull.until("done")
    pull.check_progress()
    assert digests(Path(folder)) == digests(noise)
    given = [each for each in hub.asked(containing="/blobs/") if "range" not in each.headers]
    assert [each for each in given if ".safetensors" in each.target] == []


@pytest.mark.soak
def test_a_pause_rests_and_goes_on_where_it_was(
    slow: Visitor, noise: Path, tmp_path: Path, hub: HubServer
) -> None:
    pull = install(slow.client, "org/noise")
    pull.until("downloading", bytes_done=2 * MB)
    assert pull.seen[-1]["current_file"]
    paused = pull.do("pause")
    assert (paused["state"], paused["eta_s"], paused["bytes_per_s"]) == ("paused", None, None)
    assert fetchers(slow.server) == []
    resumed = pull.do("resume")
    assert (resumed["eta_s"], resumed["bytes_per_s"]) == (None, None)
    pull.finish()
    pull.check_progress()
    check_whole(tmp_path / "hub", "org/noise", noise)


def test_a_cancelled_download_leaves_nothing_unless_that_is_wanted(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    cache = tmp_path / "hub"
    settings = settings_of(tmp_path, hub, download_limit_bytes=MB // 2)
    with visited_server(tmp_path, settings=settings) as visitor:
        client = visitor.client
        pull = install(client, "org/noise")
        pull.until("downloading", bytes_done=1 * MB)
        path = f"/v1/downloads/{pull.id}"
        kept = client.delete(path, params={"keep_partial": True}).json()
        assert kept["state"] == "cancelled"
        assert any(name.endswith(".incomplete") for name in left_behind(cache))
        again = install(client, "org/noise")
        assert again.id != pull.id
        again.until("downloading", bytes_done=kept["bytes_done"])
        assert client.delete(f"/v1/downloads/{again.id}").json()["state"] == "cancelled"
        assert left_behind(cache) == []
        gone = client.delete(path).json()
        assert gone == {"id": pull.id, "object": "download", "deleted": True}
        assert client.get(path).status_code == 404


@pytest.mark.soak
def test_what_waits_has_its_turn_in_the_order_that_is_wanted(
    tmp_path: Path, hub: HubServer
) -> None:
    for name in "abc":
        hub.add(f"org/{name}", repo_folder(tmp_path / name, shard_bytes=3 * MB))
    settings = settings_of(tmp_path, hub, downloads_at_once=1, download_limit_bytes=2 * MB)
    with visited_server(tmp_path, settings=settings) as visitor:
        pulls = {name: install(visitor.client, f"org/{name}") for name in "abc"}
        pulls["a"].until("downloading")
        order = {"ids": [pulls["c"].id, pulls["b"].id]}
        answer = visitor.client.post("/v1/downloads/order", json=order).raise_for_status()
        waiting = [each["model_id"] for each in answer.json()["data"] if each["state"] == "queued"]
        assert waiting == ["org/c", "org/b"]
        told = visitor.client.get("/v1/downloads").json()["data"]
        turns = {each["model_id"]: each["turn"] for each in told}
        assert turns["org/c"] < turns["org/b"]
        pulls["c"].until("done")
        pulls["b"].until("done")
        done = {name: pull.look()["updated_at"] for name, pull in pulls.items()}
        assert done["a"] < done["c"] < done["b"]
        assert {pull.look()["turn"] for pull in pulls.values()} == {None}


@pytest.mark.soak
def test_a_model_is_served_on_while_a_newer_revision_comes(tmp_path: Path, hub: HubServer) -> None:
    source = tmp_path / "source"
    shutil.copytree(checkpoint("Qwen3-tiny-trained"), source)
    old = hub.add(MODEL, source).head.sha
    settings = settings_of(tmp_path, hub, max_context_tokens=256)
    with visited_server(tmp_path, engine="mlx", settings=settings) as visitor:
        install(visitor.client, MODEL).until("done")
        assert visitor.ask(MODEL, "Hello", max_tokens=2).status_code == 200
        pid = visitor.row(MODEL)["pid"]
        (source / "generation_config.json").write_text('{"temperature": 0.5}')
        new = hub.repos[MODEL].commit(source).sha
        assert new != old
        pull = install(visitor.client, MODEL, revision="main")
        with visitor.stream(MODEL, "Hello", max_tokens=64) as stream:
            assert stream.response.status_code == 200
            pull.until("done")
            assert stream.rest()
        assert visitor.row(MODEL)["pid"] == pid
        # Only what is new came.
        asked = [each.path for each in hub.asked(containing=f"/resolve/{new}/")]
        assert any(path.endswith("/generation_config.json") for path in asked)
        assert not any(path.endswith(".safetensors") for path in asked)
        (listed,) = visitor.client.get("/v1/models").json()["data"]
        assert listed["id"] == MODEL


def test_a_model_may_be_given_a_name_with_its_download(
    slow: Visitor, noise: Path, hub: HubServer
) -> None:
    for name, status in (("a b", 400), ("org/noise", 409)):
        wrong = {"model_id": "org/noise", "name": name}
        assert slow.client.post("/v1/models/install", json=wrong).status_code == status
    assert hub.seen == []
    pull = install(slow.client, "org/noise", name="gpt-9")
    alias = slow.client.get("/v1/aliases/gpt-9").json()
    assert (alias["model"], alias["installed"]) == ("org/noise", False)
    other = {"model_id": "org/other", "name": "gpt-9"}
    taken = slow.client.post("/v1/models/install", json=other)
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "conflict")
    assert slow.client.get("/v1/aliases/gpt-9").json() == alias
    pull.finish()


def test_a_renamed_repo_comes_under_its_new_name(
    slow: Visitor, noise: Path, hub: HubServer
) -> None:
    hub.rename("org/noise", "org/new")
    pull = install(slow.client, "org/noise")
    assert pull.seen[0]["model_id"] == "org/new"
    pull.finish()


def test_an_offline_server_fetches_nothing(tmp_path: Path, hub: HubServer, noise: Path) -> None:
    with visited_server(tmp_path, settings=settings_of(tmp_path, hub, offline=True)) as visitor:
        answer = visitor.client.post("/v1/models/install", json={"model_id": "org/noise"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "offline")
    assert hub.seen == []


def test_a_pull_in_ollamas_words(slow: Visitor, noise: Path, hub: HubServer) -> None:
    with slow.client.stream("POST", "/api/pull", json={"model": "hf.co/org/noise:latest"}) as told:
        lines = [json.loads(line) for line in told.iter_lines() if line]
    assert lines[0] == {"status": "pulling manifest"}
    assert lines[-1] == {"status": "success"}
    parts = [line for line in lines if "completed" in line]
    assert parts
    assert all(line["completed"] < line["total"] for line in parts)
    limit(slow.client, 0)
    hub.add("org/third", noise)
    with Client(slow.server.address, trust_env=False) as theirs:
        statuses = [told.status for told in theirs.pull("org/third", stream=True)]
    assert statuses[-1] == "success"
    hub.add("org/other", noise)
    whole = slow.client.post("/api/pull", json={"name": "org/other", "stream": False})
    assert whole.json() == {"status": "success"}
    lost = slow.client.post("/api/pull", json={"model": "org/lost"})
    assert lost.status_code == 404
    assert "org/lost" in lost.json()["error"]
    tagged = slow.client.post("/api/pull", json={"model": "hf.co/org/noise-GGUF:Q4_K_M"})
    assert tagged.status_code == 400
    assert "'org/noise-GGUF:Q4_K_M' has a tag" in tagged.json()["error"]
    assert slow.client.post("/api/pull", json={}).status_code == 400


def test_the_command_pulls_pauses_and_goes_on(slow: Visitor, noise: Path, tmp_path: Path) -> None:
    command = mlx_gui(slow.server, "pull", "org/noise")
    downloads = "/v1/downloads"

    def under_way() -> bool:
        data = slow.client.get(downloads).json()["data"]
        return bool(data) and data[0]["bytes_done"] > 0

    wait_until(under_way, what="the first bytes")
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "mlx-gui pull org/noise" in said
    assert slow.client.get(downloads).json()["data"][0]["state"] == "paused"
    listed, _ = mlx_gui(slow.server, "downloads").communicate(timeout=60)
    assert "org/noise" in listed
    assert "paused" in listed
    limit(slow.client, 0)
    command = mlx_gui(slow.server, "pull", "org/noise")
    said, problems = command.communicate(timeout=90)
    assert command.returncode == 0, problems
    assert "org/noise is installed" in said
    check_whole(tmp_path / "hub", "org/noise", noise)
