"""Models come from a hub: whole, verified, and with a progress that is true."""

import hashlib
import json
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from huggingface_hub import scan_cache_dir, snapshot_download
from ollama import Client

from tests.hub.faults import Fault
from tests.hub.server import HubServer
from tests.process.pulling import (
    Pull,
    install,
    left_behind,
    mlx_gui,
    repo_folder,
    settings_of,
)
from tests.process.visitor import Visitor, visited_server
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until
from tests.zoo.cache import checkpoint

MB = 1024 * 1024
MODEL = "tiny/Qwen3-tiny-trained"
TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"


def fetchers(server: Server) -> list[psutil.Process]:
    """The children that download."""
    children = psutil.Process(server.process.pid).children()
    return [each for each in children if "fetch" in each.cmdline()]


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file that serving needs."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.suffix in (".json", ".safetensors", ".jinja")
    }


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


@pytest.fixture
def usual(tmp_path: Path, hub: HubServer) -> Iterator[Visitor]:
    """A server that downloads slowly, so that there is time to look."""
    settings = settings_of(tmp_path, hub, download_limit_bytes=4 * MB, download_stall_s=5)
    with visited_server(tmp_path, settings=settings) as visitor:
        yield visitor


@pytest.fixture
def noise(tmp_path: Path, hub: HubServer) -> Path:
    """The folder of a repo `org/noise` of two files of 6 MB."""
    folder = repo_folder(tmp_path / "noise", shards=2, shard_bytes=6 * MB)
    hub.add("org/noise", folder)
    return folder


def check_whole(cache: Path, model_id: str, source: Path) -> None:
    folder = Path(snapshot_download(model_id, cache_dir=cache, local_files_only=True))
    found = digests(folder)
    assert found == digests(source)
    assert not any(name.endswith((".incomplete", ".journal")) for name in left_behind(cache))


def test_two_who_want_the_same_share_one_download(
    usual: Visitor, noise: Path, tmp_path: Path
) -> None:
    found: list[httpx.Response] = []
    asked = [
        threading.Thread(
            target=lambda: found.append(
                usual.client.post("/v1/models/install", json={"model_id": "org/noise"})
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
    pull = Pull(usual.client, found[0].json())
    other = usual.client.post(
        "/v1/models/install", json={"model_id": "org/noise", "files": ["*.json"]}
    )
    assert other.status_code == 409
    pull.until("done")
    pull.check_progress()
    check_whole(tmp_path / "hub", "org/noise", noise)
    assert len(usual.client.get("/v1/downloads").json()["data"]) == 1


def test_the_hubs_own_client_waits_for_what_we_fetch(
    usual: Visitor, noise: Path, tmp_path: Path, hub: HubServer
) -> None:
    pull = install(usual.client, "org/noise")
    pull.until("downloading", bytes_done=1 * MB)
    # It knows the lock of each file, and waits for those that are on their way.
    folder = snapshot_download("org/noise", cache_dir=tmp_path / "hub", endpoint=hub.url)
    pull.until("done")
    pull.check_progress()
    assert digests(Path(folder)) == digests(noise)
    given = [each for each in hub.asked(containing="/blobs/") if "range" not in each.headers]
    assert [each for each in given if ".safetensors" in each.target] == []


def test_a_pause_rests_and_goes_on_where_it_was(
    usual: Visitor, noise: Path, tmp_path: Path, hub: HubServer
) -> None:
    pull = install(usual.client, "org/noise")
    pull.until("downloading", bytes_done=2 * MB)
    assert pull.seen[-1]["current_file"]
    paused = pull.do("pause")
    assert (paused["state"], paused["eta_s"], paused["bytes_per_s"]) == ("paused", None, None)
    assert fetchers(usual.server) == []
    pull.do("resume")
    pull.until("done")
    pull.check_progress()
    check_whole(tmp_path / "hub", "org/noise", noise)


def test_a_cancelled_download_leaves_nothing_unless_that_is_wanted(
    usual: Visitor, noise: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "hub"
    pull = install(usual.client, "org/noise")
    pull.until("downloading", bytes_done=1 * MB)
    path = f"/v1/downloads/{pull.id}"
    kept = usual.client.delete(path, params={"keep_partial": True}).json()
    assert kept["state"] == "cancelled"
    assert any(name.endswith(".incomplete") for name in left_behind(cache))
    again = install(usual.client, "org/noise")
    assert again.id != pull.id
    again.until("downloading", bytes_done=kept["bytes_done"])
    assert usual.client.delete(f"/v1/downloads/{again.id}").json()["state"] == "cancelled"
    assert left_behind(cache) == []
    gone = usual.client.delete(path).json()
    assert gone == {"id": pull.id, "object": "download", "deleted": True}
    assert usual.client.get(path).status_code == 404


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
        pulls["c"].until("done")
        pulls["b"].until("done")
        done = {name: pull.look()["updated_at"] for name, pull in pulls.items()}
        assert done["a"] < done["c"] < done["b"]


def test_a_flipped_byte_is_found_and_only_that_file_fetched_again(
    usual: Visitor, noise: Path, tmp_path: Path, hub: HubServer
) -> None:
    name = "model-00002-of-00002.safetensors"
    hub.fault("org/noise", Fault("flip", at_bytes=5 * MB), path=name)
    hub.fault("org/noise", Fault("cut", after_bytes=100_000, times=2), path=name)
    hub.fault("org/noise", Fault("status", where="resolve", status=503), path="config.json")
    hub.fault("org/noise", Fault("expire", uses=1, times=3))
    pull = install(usual.client, "org/noise")
    pull.until("done")
    pull.check_progress()
    check_whole(tmp_path / "hub", "org/noise", noise)


def test_a_file_that_was_damaged_on_the_disk_meanwhile_is_fetched_again(
    usual: Visitor, noise: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "hub"
    pull = install(usual.client, "org/noise")
    pull.until("downloading", bytes_done=7 * MB)
    pull.do("pause")
    blobs = cache / "models--org--noise" / "blobs"
    whole = [path for path in blobs.iterdir() if path.suffix == "" and path.stat().st_size > MB]
    for path in whole:
        with path.open("r+b") as content:
            content.seek(5000)
            content.write(b"damage")
    pull.do("resume")
    pull.until("done")
    pull.check_progress()
    check_whole(cache, "org/noise", noise)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.soak)])
@pytest.mark.parametrize("victim", ["child", "server"])
def test_kills_at_any_moment_cost_nothing_that_was_kept(
    tmp_path: Path, hub: HubServer, kills: int, victim: str
) -> None:
    source = repo_folder(tmp_path / "noise", shards=3, shard_bytes=(3 + kills // 4) * MB)
    hub.add("org/noise", source)
    chance = random.Random(kills)
    cache = tmp_path / "hub"
    settings = settings_of(tmp_path, hub, download_limit_bytes=4 * MB)
    pull: Pull | None = None
    witness = Witness(hub, cache, "org/noise")
    left = kills
    while True:
        with running_server(tmp_path, settings=settings) as server, server.client() as client:
            if pull is None:
                pull = install(client, "org/noise")
            pull.client = client
            while left:
                left -= 1
                if pull.look()["state"] == "done":
                    break
                ends_s = time.monotonic() + chance.uniform(0, 1.2)
                while time.monotonic() < ends_s and pull.look()["state"] != "done":
                    time.sleep(0.02)
                if victim == "server":
                    server.process.kill()
                    server.process.wait()
                    witness.look()
                    break
                for child in fetchers(server):
                    child.kill()
                    witness.look()
            else:
                pull.until("done")
                break
    pull.check_progress()
    check_whole(cache, "org/noise", source)
    witness.check()


class Witness:
    """Sees which files were there at some moment, and whether they are asked for after it."""

    def __init__(self, hub: HubServer, cache: Path, model_id: str) -> None:
        self._hub = hub
        self._blobs = cache / f"models--{model_id.replace('/', '--')}" / "blobs"
        self._names = {file.etag: file.path for file in hub.repos[model_id].head.files}
        self._seen: list[tuple[int, set[str]]] = []

    def look(self) -> None:
        there = {name for etag, name in self._names.items() if (self._blobs / etag).exists()}
        self._seen.append((len(self._hub.seen), there))

    def check(self) -> None:
        assert self._seen
        for count, there in self._seen:
            later = {each.path.rpartition("/")[2] for each in self._hub.seen[count:]}
            assert later.isdisjoint(there), later & there


def test_a_server_that_is_stopped_goes_on_with_the_next(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    settings = settings_of(tmp_path, hub, download_limit_bytes=4 * MB)
    with running_server(tmp_path, settings=settings) as server, server.client() as client:
        pull = install(client, "org/noise")
        pull.until("downloading", bytes_done=2 * MB)
    with running_server(tmp_path, settings=settings) as server, server.client() as client:
        pull.client = client
        pull.until("done")
    pull.check_progress()
    check_whole(tmp_path / "hub", "org/noise", noise)


def test_a_disk_without_room_pauses_with_the_reason(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    with visited_server(tmp_path, settings=settings_of(tmp_path, hub)) as visitor:
        body = {"settings": {"disk_reserve_bytes": 2**50}}
        visitor.client.patch("/v1/settings", json=body).raise_for_status()
        pull = install(visitor.client, "org/noise")
        paused = pull.until("paused")
        assert paused["error"]["code"] == "disk_full"
        assert "12.6 MB are needed" in paused["error"]["message"]
        assert not any("snapshots" in name for name in left_behind(tmp_path / "hub"))
        body = {"settings": {"disk_reserve_bytes": 1}}
        visitor.client.patch("/v1/settings", json=body).raise_for_status()
        pull.do("resume")
        pull.until("done")


def test_a_disk_that_is_away_is_not_written_elsewhere(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    away = tmp_path / "volume" / "hub"
    with visited_server(tmp_path, settings=settings_of(tmp_path, hub, model_dirs=away)) as visitor:
        failed = install(visitor.client, "org/noise").until("failed")
        assert failed["error"]["code"] == "conflict"
        assert str(away) in failed["error"]["message"]
        assert not away.parent.exists()


def test_a_disk_that_fills_up_meanwhile_pauses_with_the_reason(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    cache = tmp_path / "hub"
    cache.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(cache)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        settings = settings_of(tmp_path, hub, disk_reserve_bytes=1, download_limit_bytes=4 * MB)
        with visited_server(tmp_path, settings=settings) as visitor:
            pull = install(visitor.client, "org/noise")
            pull.until("downloading", bytes_done=1 * MB)
            (cache / "other").write_bytes(bytes(8 * MB))
            paused = pull.until("paused")
            assert paused["error"]["code"] == "disk_full"
            assert not any("snapshots" in name for name in left_behind(cache))
            (cache / "other").unlink()
            pull.do("resume")
            pull.until("done")
            pull.check_progress()
        check_whole(cache, "org/noise", noise)
    finally:
        subprocess.run(["umount", "-l", str(cache)], check=True)


def test_a_refusal_names_the_repo_that_has_the_model_converted(
    usual: Visitor, hub: HubServer, tmp_path: Path, noise: Path
) -> None:
    folder = tmp_path / "pickles"
    folder.mkdir()
    for name in ("config.json", "pytorch_model.bin"):
        (folder / name).write_text("{}")
    hub.add("org/pickles", folder)
    hub.change("org/noise", base_model="org/pickles", tags=("mlx",))
    answer = usual.client.post("/v1/models/install", json={"model_id": "org/pickles"})
    assert answer.status_code == 422
    assert "org/noise" in answer.json()["error"]["hint"]


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


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", where="resolve", status=302, headers={"Location": "file:/x"}, times=None),
        Fault(
            "status",
            where="resolve",
            status=302,
            headers={"Location": "http://169.254.169.254/x"},
            times=None,
        ),
        Fault("status", where="api", status=200, body=b"<html>no</html>", times=None),
        Fault("status", where="api", status=200, body=b'{"sha": "', times=None),
        Fault("status", where="api", status=302, headers={"Location": "/api/models/x"}, times=None),
    ],
    ids=["file", "private", "a page", "half", "a circle"],
)
def test_a_hub_that_leads_astray_is_not_followed(
    usual: Visitor, noise: Path, tmp_path: Path, hub: HubServer, fault: Fault
) -> None:
    hub.fault("*", fault)
    answer = usual.client.post("/v1/models/install", json={"model_id": "org/noise"})
    assert answer.status_code == 502, answer.text
    assert answer.json()["error"]["code"] in ("hub_answer", "hub_unreachable")
    assert left_behind(tmp_path / "hub") == []


def test_a_model_may_be_given_a_name_with_its_download(
    usual: Visitor, noise: Path, hub: HubServer
) -> None:
    wrong = {"model_id": "org/noise", "name": "a b"}
    assert usual.client.post("/v1/models/install", json=wrong).status_code == 400
    assert hub.seen == []
    pull = install(usual.client, "org/noise", name="gpt-9")
    alias = usual.client.get("/v1/aliases/gpt-9").json()
    assert (alias["model"], alias["installed"]) == ("org/noise", False)
    pull.until("done")


def test_a_renamed_repo_comes_under_its_new_name(
    usual: Visitor, noise: Path, hub: HubServer
) -> None:
    hub.rename("org/noise", "org/new")
    pull = install(usual.client, "org/noise")
    assert pull.seen[0]["model_id"] == "org/new"
    pull.until("done")


def test_an_offline_server_fetches_nothing(tmp_path: Path, hub: HubServer, noise: Path) -> None:
    with visited_server(tmp_path, settings=settings_of(tmp_path, hub, offline=True)) as visitor:
        answer = visitor.client.post("/v1/models/install", json={"model_id": "org/noise"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "offline")
    assert hub.seen == []


def test_a_pull_in_ollamas_words(usual: Visitor, noise: Path, hub: HubServer) -> None:
    with usual.client.stream("POST", "/api/pull", json={"model": "hf.co/org/noise:latest"}) as told:
        lines = [json.loads(line) for line in told.iter_lines() if line]
    assert lines[0] == {"status": "pulling manifest"}
    assert lines[-1] == {"status": "success"}
    parts = [line for line in lines if "completed" in line]
    assert parts
    assert all(line["completed"] < line["total"] for line in parts)
    hub.add("org/third", noise)
    with Client(usual.server.address, trust_env=False) as theirs:
        statuses = [told.status for told in theirs.pull("org/third", stream=True)]
    assert statuses[-1] == "success"
    hub.add("org/other", noise)
    whole = usual.client.post("/api/pull", json={"name": "org/other", "stream": False})
    assert whole.json() == {"status": "success"}
    lost = usual.client.post("/api/pull", json={"model": "org/lost"})
    assert lost.status_code == 404
    assert "org/lost" in lost.json()["error"]
    assert usual.client.post("/api/pull", json={}).status_code == 400


def test_the_command_pulls_pauses_and_goes_on(usual: Visitor, noise: Path, tmp_path: Path) -> None:
    command = mlx_gui(usual.server, "pull", "org/noise")
    downloads = "/v1/downloads"

    def under_way() -> bool:
        data = usual.client.get(downloads).json()["data"]
        return bool(data) and data[0]["bytes_done"] > 0

    wait_until(under_way, what="the first bytes")
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "mlx-gui pull org/noise" in said
    assert usual.client.get(downloads).json()["data"][0]["state"] == "paused"
    listed, _ = mlx_gui(usual.server, "downloads").communicate(timeout=60)
    assert "org/noise" in listed
    assert "paused" in listed
    command = mlx_gui(usual.server, "pull", "org/noise")
    said, problems = command.communicate(timeout=90)
    assert command.returncode == 0, problems
    assert "org/noise is installed" in said
    check_whole(tmp_path / "hub", "org/noise", noise)
