"""Models are removed and come back, by the real server; what other programs need stays."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import scan_cache_dir

from tests.support.server import Server, running_server
from tests.unit.catalog.caches import model_files, share, write_revision
from tests.unit.kinds.folders import write_adapter, write_model


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    disk = tmp_path_factory.mktemp("disk")
    with served(disk) as server:
        yield server, disk


def served(disk: Path, **settings: object):
    """A server that searches `models` and `hub` below `disk`."""
    dirs = os.pathsep.join((str(disk / "models"), str(disk / "hub")))
    wanted = {"model_dirs": dirs, "preload": "", **settings}
    return running_server(disk / "server", engine="mlx", settings=wanted)


@pytest.fixture
def disk(usual: tuple[Server, Path]) -> Path:
    _, folder = usual
    for each in (*folder.iterdir(),):
        if each.name != "server":
            shutil.rmtree(each)
    (folder / "models").mkdir()
    (folder / "hub").mkdir()
    return folder


@pytest.fixture
def client(usual: tuple[Server, Path], disk: Path) -> Iterator[httpx.Client]:
    server, _ = usual
    with server.client() as opened:
        yield opened


def rescan(client: httpx.Client) -> list[str]:
    return ids(client.post("/v1/models/rescan").raise_for_status().json())


def listed(client: httpx.Client) -> list[str]:
    return ids(client.get("/v1/models").raise_for_status().json())


def ids(answer: dict[str, Any]) -> list[str]:
    return [model["id"] for model in answer["data"]]


def test_a_removed_model_comes_back_with_its_settings_and_aliases(
    client: httpx.Client, disk: Path
) -> None:
    folder = write_model(disk / "models" / "org" / "one")
    assert rescan(client) == ["org/one"]
    client.patch(
        "/v1/models/org/one/settings", json={"settings": {"context_tokens": 2048}}
    ).raise_for_status()
    client.put("/v1/aliases/gpt-4o", json={"model": "one"}).raise_for_status()

    gone = client.delete("/v1/models/org/one").raise_for_status().json()
    assert (gone["id"], gone["object"], gone["deleted"]) == ("org/one", "model", True)
    assert gone["freed_bytes"] > 12_000
    assert gone["undo_until"] > "2026"
    assert listed(client) == []
    assert not folder.exists()
    assert client.get("/v1/models/gpt-4o").status_code == 404
    trash = client.get("/v1/trash").json()
    assert [entry["id"] for entry in trash["data"]] == [gone["trash_id"]]
    assert trash["freed_bytes"] == gone["freed_bytes"]
    assert trash["data"][0]["places"] == [str(folder)]

    back = client.post(f"/v1/trash/{gone['trash_id']}/restore").raise_for_status().json()
    assert (back["id"], back["model"]["id"]) == ("org/one", "org/one")
    assert back["model"]["aliases"] == ["gpt-4o"]
    assert listed(client) == ["org/one"]
    found = client.get("/v1/models/gpt-4o/settings").json()
    assert found["settings"]["context_tokens"]["value"] == 2048
    assert client.get("/v1/trash").json()["data"] == []
    assert client.post(f"/v1/trash/{gone['trash_id']}/restore").status_code == 404
    client.delete("/v1/aliases/gpt-4o").raise_for_status()


def test_what_is_deleted_from_the_trash_is_gone(client: httpx.Client, disk: Path) -> None:
    write_model(disk / "models" / "org" / "one")
    rescan(client)
    gone = client.delete("/v1/models/one").raise_for_status().json()
    name = f"/v1/trash/{gone['trash_id']}"
    assert client.get(name).json()["model"] == "org/one"
    deleted = client.delete(name).raise_for_status().json()
    assert deleted["freed_bytes"] >= gone["freed_bytes"]
    assert client.get(name).status_code == 404
    assert not list((disk / "models").rglob("*.safetensors"))


def test_a_forgotten_model_keeps_its_files_and_comes_back_with_a_rescan(
    client: httpx.Client, disk: Path
) -> None:
    folder = write_model(disk / "models" / "org" / "one")
    rescan(client)
    gone = client.delete("/v1/models/org/one?remove_files=false").raise_for_status().json()
    assert (gone["trash_id"], gone["undo_until"], gone["freed_bytes"]) == (None, None, 0)
    assert listed(client) == []
    assert (folder / "model.safetensors").exists()
    client.post("/v1/models/rescan?hidden=keep").raise_for_status()
    assert listed(client) == []
    assert rescan(client) == ["org/one"]


def test_in_the_hub_cache_nothing_of_others_goes_and_its_own_tools_still_read_it(
    client: httpx.Client, disk: Path
) -> None:
    files = model_files(disk / "files")
    newer = {**files, "model.safetensors": files["model.safetensors"] + b"newer"}
    write_revision(disk / "hub", "org/one", "a" * 40, files=files)
    write_revision(disk / "hub", "org/one", "b" * 40, files=newer)
    write_revision(disk / "hub", "org/two", "c" * 40, files=newer)
    for name in ("org/one", "org/two"):
        share(disk / "hub", name, newer["model.safetensors"])
    assert rescan(client) == ["org/one", "org/two"]

    gone = client.delete("/v1/models/org/one").raise_for_status().json()
    assert gone["other_revisions"] == ["a" * 40]
    assert gone["freed_bytes"] == 0
    # The older revision does not take its place by itself.
    assert listed(client) == ["org/two"]
    found = scan_cache_dir(disk / "hub")
    assert found.warnings == []
    assert {rev.commit_hash for each in found.repos for rev in each.revisions} == {
        "a" * 40,
        "c" * 40,
    }
    client.post(f"/v1/trash/{gone['trash_id']}/restore").raise_for_status()
    assert listed(client) == ["org/one", "org/two"]
    found = scan_cache_dir(disk / "hub")
    assert found.warnings == []
    assert len({rev for each in found.repos for rev in each.revisions}) == 3

    whole = client.delete("/v1/models/org/two").raise_for_status().json()
    assert scan_cache_dir(disk / "hub").warnings == []
    client.delete(f"/v1/trash/{whole['trash_id']}").raise_for_status()
    one = disk / "hub/models--org--one/snapshots" / ("b" * 40) / "model.safetensors"
    assert one.read_bytes() == newer["model.safetensors"]


def test_nothing_comes_back_over_what_is_there_now(client: httpx.Client, disk: Path) -> None:
    folder = write_model(disk / "models" / "org" / "one")
    rescan(client)
    gone = client.delete("/v1/models/org/one").raise_for_status().json()
    write_model(folder)
    refused = client.post(f"/v1/trash/{gone['trash_id']}/restore")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert str(folder) in refused.json()["error"]["message"]
    assert len(client.get("/v1/trash").json()["data"]) == 1


def test_a_model_that_lies_twice_is_one_and_goes_from_both_places(
    client: httpx.Client, disk: Path
) -> None:
    first = write_model(disk / "models" / "org" / "one")
    second = write_revision(disk / "hub", "org/one", "a" * 40, files=model_files(disk / "files"))
    rescan(client)
    (model,) = client.get("/v1/models").json()["data"]
    assert (model["path"], model["copies"]) == (str(first), [str(second)])
    gone = client.delete("/v1/models/org/one").raise_for_status().json()
    assert not first.exists()
    assert not second.exists()
    assert listed(client) == []
    client.post(f"/v1/trash/{gone['trash_id']}/restore").raise_for_status()
    assert client.get("/v1/models/org/one").json()["copies"] == [str(second)]


def test_an_adapter_goes_without_its_base(client: httpx.Client, disk: Path) -> None:
    write_model(disk / "models" / "org" / "one")
    write_adapter(disk / "models" / "tune", config={"model": "org/one"})
    assert rescan(client) == ["org/one", "org/one+tune"]
    gone = client.delete("/v1/models/org/one+tune").raise_for_status().json()
    assert listed(client) == ["org/one"]
    client.post(f"/v1/trash/{gone['trash_id']}/restore").raise_for_status()
    assert listed(client) == ["org/one", "org/one+tune"]
    client.delete("/v1/models/org/one+tune?remove_files=false").raise_for_status()
    assert listed(client) == ["org/one"]


def test_a_model_on_an_absent_disk_is_away_and_can_only_be_forgotten(
    client: httpx.Client, disk: Path
) -> None:
    write_model(disk / "models" / "org" / "one")
    rescan(client)
    (disk / "models").rename(disk / "unplugged")
    assert rescan(client) == ["org/one"]
    model = client.get("/v1/models/org/one").json()
    assert (model["state"], model["supported"]) == ("away", False)
    assert str(disk / "models") in model["problem"]
    refused = client.delete("/v1/models/org/one")
    assert (refused.status_code, "away" in refused.json()["error"]["message"]) == (409, True)
    asked = {"model": "org/one", "messages": [{"role": "user", "content": "Hi"}]}
    answer = client.post("/v1/chat/completions", json=asked)
    assert (answer.status_code, "away" in answer.json()["error"]["message"]) == (400, True)
    client.delete("/v1/models/org/one?remove_files=false").raise_for_status()
    assert listed(client) == []
    (disk / "unplugged").rename(disk / "models")
    assert rescan(client) == ["org/one"]
    assert client.get("/v1/models/org/one").json()["state"] == "not_loaded"


def test_ollamas_copy_is_an_alias_and_its_delete_a_removal(
    client: httpx.Client, disk: Path
) -> None:
    write_model(disk / "models" / "org" / "one")
    rescan(client)
    copied = client.post("/api/copy", json={"source": "one", "destination": "mine:latest"})
    assert (copied.status_code, copied.content) == (200, b"")
    tags = client.get("/api/tags").json()["models"]
    assert [each["name"] for each in tags] == ["org/one", "mine:latest"]
    assert client.post("/api/show", json={"model": "mine"}).status_code == 200
    taken = client.post("/api/copy", json={"source": "one", "destination": "org/one"})
    assert (taken.status_code, "org/one" in taken.json()["error"]) == (409, True)
    missing = client.post("/api/copy", json={"source": "none", "destination": "x"})
    assert missing.status_code == 404

    assert client.request("DELETE", "/api/delete", json={"model": "mine"}).status_code == 200
    assert listed(client) == ["org/one"]
    assert client.request("DELETE", "/api/delete", json={"name": "one"}).status_code == 200
    assert listed(client) == []
    assert client.request("DELETE", "/api/delete", json={"model": "one"}).status_code == 404
    assert len(client.get("/v1/trash").json()["data"]) == 1


@pytest.mark.parametrize(
    "name",
    [
        "org/none",
        "..",
        "../models",
        "%2e%2e/%2e%2e/etc",
        "a" * 5000,
        "org/one%00",
        "https://huggingface.co/org/one",
        ".mlx-gui-trash",
    ],
)
def test_what_is_no_installed_model_cannot_be_removed(
    client: httpx.Client, disk: Path, name: str
) -> None:
    write_model(disk / "models" / "org" / "one")
    rescan(client)
    answer = client.delete(f"/v1/models/{name}")
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]
    assert (disk / "models" / "org" / "one" / "config.json").exists()


def test_an_alias_removes_no_model(client: httpx.Client, disk: Path) -> None:
    write_model(disk / "models" / "org" / "one")
    rescan(client)
    client.put("/v1/aliases/claude-*", json={"model": "org/one"}).raise_for_status()
    refused = client.delete("/v1/models/claude-sonnet-4")
    assert (refused.status_code, "claude-*" in refused.json()["error"]["message"]) == (409, True)
    assert listed(client) == ["org/one"]
    client.delete("/v1/aliases/claude-*").raise_for_status()
    assert client.delete("/v1/aliases/claude-*").status_code == 404


@pytest.mark.parametrize(
    ("alias", "body", "status"),
    [
        ("a%20b", {"model": "org/one"}, 400),
        ("*", {"model": "org/one"}, 400),
        ("x" * 300, {"model": "org/one"}, 400),
        ("org/one", {"model": "org/one"}, 409),
        ("fine", {"model": "org/none"}, 404),
        ("fine", {"model": 7}, 400),
        ("fine", {}, 400),
        ("fine", {"model": "org/one", "more": 1}, 400),
    ],
)
def test_an_alias_that_cannot_be_is_refused(
    client: httpx.Client, disk: Path, alias: str, body: dict[str, object], status: int
) -> None:
    write_model(disk / "models" / "org" / "one")
    rescan(client)
    answer = client.put(f"/v1/aliases/{alias}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert client.get("/v1/aliases").json()["data"] == []


def test_the_disk_says_what_models_and_trash_take(client: httpx.Client, disk: Path) -> None:
    write_model(disk / "models" / "org" / "one")
    write_model(disk / "models" / "org" / "two")
    rescan(client)
    gone = client.delete("/v1/models/org/two").raise_for_status().json()
    found = client.get("/v1/system/disk").raise_for_status().json()
    models, hub = found["folders"]
    assert (models["path"], models["away"]) == (str(disk / "models"), False)
    assert [each["id"] for each in models["models"]] == ["org/one"]
    assert models["models"][0]["disk_bytes"] == models["models_bytes"] == found["models_bytes"]
    assert gone["freed_bytes"] <= models["trash_bytes"] < gone["freed_bytes"] + 20_000
    assert 0 < models["free_bytes"] < models["total_bytes"]
    assert hub["models"] == []
    assert found["data_bytes"] > 0


def test_of_several_who_remove_a_model_one_does(client: httpx.Client, disk: Path) -> None:
    write_model(disk / "models" / "org" / "one")
    assert rescan(client) == ["org/one"]
    with ThreadPoolExecutor(6) as people:
        asked = [people.submit(client.delete, "/v1/models/org/one") for _ in range(6)]
        answers = sorted(each.result().status_code for each in asked)
    assert answers == [200, *[404] * 5]
    assert len(client.get("/v1/trash").json()["data"]) == 1


def test_a_model_may_be_deleted_for_good_at_once(client: httpx.Client, disk: Path) -> None:
    write_model(disk / "models" / "org" / "one")
    assert rescan(client) == ["org/one"]
    path = "/v1/models/org/one"
    both = client.delete(path, params={"remove_files": "false", "for_good": "true"})
    assert (both.status_code, both.json()["error"]["param"]) == (400, "for_good")
    gone = client.delete(path, params={"for_good": "true"}).raise_for_status().json()
    assert (gone["trash_id"], gone["undo_until"]) == (None, None)
    assert gone["freed_bytes"] > 12_000
    assert client.get("/v1/trash").json()["data"] == []
    assert listed(client) == []
    assert [*(disk / "models" / "org").iterdir()] == []


def test_without_a_retention_nothing_is_kept(tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "org" / "one")
    with served(tmp_path, trash_retention_days=0) as server, server.client() as client:
        gone = client.delete("/v1/models/org/one").raise_for_status().json()
        assert (gone["trash_id"], gone["undo_until"]) == (None, None)
        assert gone["freed_bytes"] > 12_000
        assert client.get("/v1/trash").json()["data"] == []
    assert not list((tmp_path / "models").rglob("*.safetensors"))


def test_a_kill_of_the_server_leaves_the_model_or_its_entry(tmp_path: Path) -> None:
    dice = random.Random(5)
    files = model_files(tmp_path / "files")
    newer = {**files, "model.safetensors": files["model.safetensors"] + b"newer"}
    for revision, content in (("a" * 40, files), ("b" * 40, newer)):
        write_revision(tmp_path / "hub", "org/one", revision, files=content)
    main = tmp_path / "hub/models--org--one/snapshots" / ("b" * 40)
    (tmp_path / "models").mkdir()
    for _ in range(5):
        with served(tmp_path) as server, server.client() as client:
            trash = client.get("/v1/trash").json()["data"]
            if trash:
                path = f"/v1/trash/{trash[0]['id']}/restore"
                asking = threading.Thread(target=_asked, args=(client, "POST", path))
            else:
                # Where there is something in the trash, this would show the older revision.
                client.post("/v1/models/rescan").raise_for_status()
                asking = threading.Thread(
                    target=_asked, args=(client, "DELETE", "/v1/models/org/one")
                )
            asking.start()
            time.sleep(dice.random() * 0.05)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            asking.join()
        with served(tmp_path) as server, server.client() as client:
            happened = bool(client.get("/v1/trash").json()["data"])
            assert (listed(client) == []) == happened
            assert main.exists() != happened
            if not happened:
                assert all(path.exists() for path in main.iterdir())
        assert scan_cache_dir(tmp_path / "hub").warnings == []
        leftover = tmp_path.glob(".mlx-gui-trash/*-*")
        assert all(each.name.startswith("trash-") for each in leftover)


def _asked(client: httpx.Client, method: str, path: str) -> None:
    with suppress(httpx.TransportError):
        client.request(method, path)
