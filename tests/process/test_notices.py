"""What a server tells by itself, and evictions that are taken back, over real workers."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.visitor import ENDLESS, Visitor, chat, visited_server
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A server that holds one model at a time."""
    folder: Path = tmp_path_factory.mktemp("server")
    with visited_server(folder, settings={"max_loaded_models": 1}) as visitor:
        yield visitor


@pytest.fixture
def server(usual: Visitor) -> Visitor:
    """With nothing in memory and no notice."""
    usual.client.post("/v1/models/unload-all", params={"when": "idle"}).raise_for_status()
    usual.client.delete("/v1/notices").raise_for_status()
    return usual


def load(server: Visitor, model: str, **body: Any) -> None:
    server.client.post(f"/v1/models/{model}/load", json=body).raise_for_status()


def notices(server: Visitor, **query: Any) -> list[dict[str, Any]]:
    return server.client.get("/v1/notices", params=query).raise_for_status().json()["data"]


def resident(server: Visitor) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in server.status()["loaded_models"]}


def undo(server: Visitor, notice: dict[str, Any]) -> Any:
    return server.client.post(f"/v1/notices/{notice['id']}/undo")


def test_an_eviction_names_its_client_and_is_taken_back(server: Visitor) -> None:
    load(server, "fake/echo", context=512)
    client = {"user-agent": "codex/1.0"}
    body = chat("fake/agent", "Hi")
    server.client.post("/v1/chat/completions", json=body, headers=client).raise_for_status()
    (notice,) = notices(server)
    assert (notice["kind"], notice["models"]) == ("evicted", ["fake/echo"])
    assert (notice["subject"], notice["client"]) == ("fake/agent", "codex/1.0")
    assert notice["undo"] == "possible"

    told = undo(server, notice).raise_for_status().json()

    assert (told["loading"], told["unloading"]) == (["fake/echo"], "fake/agent")
    assert told["notice"]["undo"] == "done"
    wait_until(
        lambda: resident(server).get("fake/echo", {}).get("state") == "ready", what="it is back"
    )
    assert set(resident(server)) == {"fake/echo"}
    assert resident(server)["fake/echo"]["context"] == 512
    again = undo(server, notice).raise_for_status().json()
    assert (again["loading"], again["unloading"]) == ([], None)
    assert set(resident(server)) == {"fake/echo"}, "what is undone is so again, and nothing happens"


def test_what_somebody_uses_does_not_leave(server: Visitor) -> None:
    load(server, "fake/echo")
    with server.stream("fake/agent", ENDLESS) as running:
        assert "word" in running.text()
        (notice,) = notices(server)
        refused = undo(server, notice)
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (409, "conflict")
        assert "fake/agent stays, it answers 1 request" in error["message"]
        assert error["hint"]
        assert set(resident(server)) == {"fake/agent"}
    assert notices(server)[0]["undo"] == "possible"


def test_a_failed_model_is_told_of_until_that_is_dismissed(server: Visitor) -> None:
    server.client.post("/v1/models/fake/broken/load")
    (notice,) = notices(server)
    assert (notice["kind"], notice["level"], notice["subject"]) == (
        "model_failed",
        "error",
        "fake/broken",
    )
    assert undo(server, notice).status_code == 409
    assert server.client.delete(f"/v1/notices/{notice['id']}").json() == {"id": notice["id"]}
    for answer in (undo(server, notice), server.client.delete(f"/v1/notices/{notice['id']}")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert notices(server) == []


def test_whoever_follows_gets_what_is_new_and_each_change(server: Visitor) -> None:
    last = server.client.get("/v1/notices").json()["last"]
    seen: list[str] = []
    begun = threading.Event()

    def follow() -> None:
        with server.client.stream("GET", "/v1/events", params={"topics": "notices"}) as events:
            for line in events.iter_lines():
                if line.startswith("event: "):
                    seen.append(line.removeprefix("event: "))
                    begun.set()
                if "notice_removed" in line:
                    return

    following = threading.Thread(target=follow)
    following.start()
    begun.wait(60)
    change = {"settings": {"disk_reserve_bytes": 2**50}}
    server.client.patch("/v1/settings", json=change).raise_for_status()
    wait_until(lambda: notices(server, after=last) != [], what="the disk is told of")
    (notice,) = notices(server, after=last)
    assert (notice["kind"], notice["subject"]) == ("disk_low", str(server.server.data_dir))
    wait_until(lambda: "notice" in seen, what="the event")
    dismissed = server.client.delete("/v1/notices", params={"until": notice["seq"]}).json()
    assert dismissed == {"dismissed": 1}
    following.join(60)
    assert seen[:3] == ["hello", "snapshot", "notice"]
    assert notices(server, after=notice["seq"]) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/notices?after=-1", 400),
        ("GET", f"/v1/notices?after={2**80}", 400),
        ("GET", "/v1/notices?limit=0", 400),
        ("DELETE", "/v1/notices?until=x", 400),
        ("DELETE", f"/v1/notices/{2**80}", 400),
        ("DELETE", "/v1/notices/x", 400),
        ("POST", "/v1/notices/0/undo", 400),
        ("POST", "/v1/notices/999999/undo", 404),
        ("PUT", "/v1/notices", 405),
    ],
)
def test_nonsense_is_refused(server: Visitor, method: str, path: str, status: int) -> None:
    answer = server.client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
