"""Plans over real workers: they say what then happens, and loads hold to them."""

import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.visitor import ENDLESS, Visitor, visited_server
from tests.support.waiting import wait_until

DEADLINE_S = 60


def plan(server: Visitor, model: str, **body: Any) -> dict[str, Any]:
    return server.client.post(f"/v1/models/{model}/plan", json=body).raise_for_status().json()


def load(server: Visitor, model: str, *, query: str = "", **body: Any) -> httpx.Response:
    return server.client.post(f"/v1/models/{model}/load{query}", json=body)


def resident(server: Visitor) -> set[str]:
    return {row["id"] for row in server.status()["loaded_models"]}


def evicted(answer: dict[str, Any]) -> list[str]:
    return [each["id"] for each in answer["evict"]]


def test_a_load_does_what_its_plan_said_and_nothing_when_that_has_changed(tmp_path: Path) -> None:
    with visited_server(tmp_path, settings={"max_loaded_models": 2}) as server:
        assert plan(server, "fake/echo")["fits"] == "yes"
        for model in ("fake/echo", "fake/slow"):
            assert load(server, model).status_code == 200
        planned = plan(server, "fake/slow-load")
        assert (planned["fits"], evicted(planned)) == ("after_eviction", ["fake/echo"])
        assert planned["evict"][0]["reason"]
        assert server.ask("fake/echo", "Hi").status_code == 200

        for query in ("", "?wait=false"):
            refused = load(server, "fake/slow-load", query=query, plan_token=planned["plan_token"])
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "plan_changed")
            assert evicted(refused.json()["plan"]) == ["fake/slow"]
            assert resident(server) == {"fake/echo", "fake/slow"}

        token = refused.json()["plan"]["plan_token"]
        assert load(server, "fake/slow-load", plan_token=token).status_code == 200
        assert resident(server) == {"fake/echo", "fake/slow-load"}
        wait_until(
            lambda: decided(server, "fake/slow", "evict") == ["fake/slow-load"],
            what="the eviction in the log of decisions",
        )


def decided(server: Visitor, model: str, action: str) -> list[str | None]:
    """For whose sake `action` happened to the model."""
    answer = server.client.get("/v1/manager/decisions", params={"model": model}).json()
    return [
        each["cause"]
        for each in answer["decisions"]
        if (each["action"], each["model"]) == (action, model) and each["reason"]
    ]


def test_a_token_of_another_model_or_of_an_earlier_run_is_refused(tmp_path: Path) -> None:
    with visited_server(tmp_path) as server:
        token = plan(server, "fake/echo")["plan_token"]
        other = load(server, "fake/slow", plan_token=token)
        assert (other.status_code, other.json()["error"]["code"]) == (400, "invalid_request")
        for wrong in ("", "x", "x.y.z", "\u0000", "9" * 10_000):
            assert load(server, "fake/echo", plan_token=wrong).status_code in (400, 409)
        assert resident(server) == set()
    with visited_server(tmp_path) as server:
        earlier = load(server, "fake/echo", plan_token=token)
        assert (earlier.status_code, earlier.json()["error"]["code"]) == (409, "conflict")
        assert "plan" not in earlier.json()
        assert resident(server) == set()


@pytest.mark.parametrize("path", ["/v1/models/fake/echo/unload", "/v1/models/unload-all"])
def test_an_unload_when_idle_waits_for_the_running_answers(server: Visitor, path: str) -> None:
    with server.stream("fake/echo", ENDLESS) as running:
        assert "word" in running.text()
        answers: list[httpx.Response] = []

        def unload() -> None:
            answers.append(server.client.post(path, params={"when": "idle"}, timeout=DEADLINE_S))

        waiting = threading.Thread(target=unload)
        waiting.start()
        assert "word" in running.text()
        running.hang_up()
        waiting.join(DEADLINE_S)
        (answer,) = answers
        assert answer.status_code == 200
        assert "fake/echo" in answer.text
        assert resident(server) == set()


def test_a_model_that_answers_is_left_by_an_unload_of_all(server: Visitor) -> None:
    with server.stream("fake/echo", ENDLESS) as running:
        assert "word" in running.text()
        assert load(server, "fake/slow").status_code == 200

        answer = server.client.post("/v1/models/unload-all").json()

        assert [each["model"]["id"] for each in answer["models"]] == ["fake/slow"]
        assert [each["id"] for each in answer["busy"]] == ["fake/echo"]
        assert answer["freed_bytes"] > 0
        assert resident(server) == {"fake/echo"}


@contextmanager
def load_begun(server: Visitor, model: str, **body: Any) -> Generator[None]:
    """A load whose client hangs up when the block ends."""
    with socket.create_connection(("127.0.0.1", server.client.base_url.port or 0)) as line:
        content = json.dumps(body).encode()
        line.sendall(
            f"POST /v1/models/{model}/load HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        yield


def reload_pending(server: Visitor, model: str) -> bool:
    answer = server.client.get(f"/v1/models/{model}/settings").raise_for_status()
    return answer.json()["reload_pending"]


def test_a_client_that_hangs_up_in_the_middle_of_its_load_leaves_no_wish(server: Visitor) -> None:
    with server.stream("fake/echo", ENDLESS) as running:
        assert "word" in running.text()
        before = server.row("fake/echo")
        with load_begun(server, "fake/echo", context=16):
            wait_until(lambda: reload_pending(server, "fake/echo"), what="the wish")
        wait_until(lambda: not reload_pending(server, "fake/echo"), what="the end of the wish")
        assert server.ask("fake/echo", "Hello").status_code == 200
        assert "word" in running.text(), "the answer goes on"
    after = server.row("fake/echo")
    assert (after["pid"], after["context"]) == (before["pid"], before["context"])

    with load_begun(server, "fake/slow-load", context=16):
        wait_until(lambda: "fake/slow-load" in resident(server), what="the load")
    wait_until(lambda: "fake/slow-load" not in resident(server), what="its end")
    assert server.ask("fake/slow-load", "Hello").status_code == 200
    assert server.row("fake/slow-load")["context"] == before["context"]
