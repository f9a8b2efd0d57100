"""How requests end, as the server's log tells it: with what was computed, whoever was left."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.visitor import ENDLESS, Visitor, chat, script, visited_server
from tests.support.waiting import wait_until

HELLO = [{"role": "user", "content": "Hi there"}]
ROUTES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/v1/completions": {"prompt": "Hi there"},
    "/v1/responses": {"input": "Hi there"},
    "/v1/responses/input_tokens": {"input": "Hi there"},
    "/v1/tokenize": {"prompt": "Hi there"},
    "/v1/detokenize": {"tokens": [1, 2]},
    "/v1/messages": {"messages": HELLO, "max_tokens": 5},
    "/v1/messages/count_tokens": {"messages": HELLO},
    "/api/chat": {"messages": HELLO, "stream": False},
    "/api/generate": {"prompt": "Hi there", "stream": False},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    settings = {"slots": 1, "max_loaded_models": 2}
    with visited_server(tmp_path_factory.mktemp("server"), settings=settings) as visitor:
        yield visitor


def endings(server: Visitor, request_id: str) -> list[dict[str, Any]]:
    """What the log has of the ends of this HTTP request's answers."""
    lines = server.server.log.read_text(errors="replace").splitlines()
    named = f'"{request_id}"'
    found = [json.loads(line) for line in lines if line.startswith("{") and named in line]
    return [line for line in found if line["event"] == "answer_finished"]


def ending(server: Visitor, request_id: str) -> dict[str, Any]:
    wait_until(lambda: endings(server, request_id), what=f"the end of {request_id}")
    (line,) = endings(server, request_id)
    return line


def leave(server: Visitor, request_id: str, model: str, text: str) -> dict[str, Any]:
    """The end of a request whose client has not the patience for an answer."""
    with pytest.raises(httpx.ReadTimeout):
        server.client.post(
            "/v1/chat/completions",
            json=chat(model, text),
            headers={"x-request-id": request_id},
            timeout=httpx.Timeout(60, read=0.3),
        )
    return ending(server, request_id)


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_that_asks_a_model_tells_how_it_ended(server: Visitor, path: str) -> None:
    request_id = "all-" + path.strip("/").replace("/", "-")
    headers = {"x-request-id": request_id, "user-agent": "tester/1"}
    body = {"model": "fake/echo", **ROUTES[path]}

    answer = server.client.post(path, json=body, headers=headers)

    assert answer.status_code == 200, answer.text
    line = ending(server, request_id)
    assert (line["outcome"], line["model"]) == ("finished", "fake/echo")
    assert line["prompt_tokens"] > 0
    assert line["answer_id"].startswith(answer.json().get("id", ""))


def test_prompts_of_one_request_end_one_by_one(server: Visitor) -> None:
    body = {"model": "fake/echo", "prompt": ["one", "two", "three"]}
    headers = {"x-request-id": "several"}
    answer = server.client.post("/v1/completions", json=body, headers=headers).json()

    wait_until(lambda: len(endings(server, "several")) == 3, what="three ends")
    ids = {line["answer_id"] for line in endings(server, "several")}
    assert ids == {f"{answer['id']}-{number}" for number in range(3)}


def test_what_was_written_for_a_client_that_left_is_told(server: Visitor) -> None:
    with server.stream("fake/echo", ENDLESS) as stream:
        request_id = stream.response.headers["x-request-id"]
        stream.text()
    line = ending(server, request_id)
    assert line["outcome"] == "cancelled"
    assert line["completion_tokens"] > 0


def test_a_client_that_leaves_its_place_in_the_queue_has_cancelled(server: Visitor) -> None:
    with server.stream("fake/echo", ENDLESS) as running:
        running.text()
        line = leave(server, "left-queue", "fake/echo", "hello")
    assert line["outcome"] == "cancelled"
    assert "completion_tokens" not in line


def test_a_client_that_leaves_while_its_prompt_is_read_has_cancelled(server: Visitor) -> None:
    line = leave(server, "left-reading", "fake/echo", script(text="x", prepare_ms=1000))
    assert line["outcome"] == "cancelled"


def test_a_client_that_leaves_a_load_has_cancelled(server: Visitor) -> None:
    assert leave(server, "left-load", "fake/slow-load", "hello")["outcome"] == "cancelled"


def test_a_worker_that_dies_fails_the_answer_that_it_wrote(server: Visitor) -> None:
    with server.stream("fake/crash", "hello") as stream:
        request_id = stream.response.headers["x-request-id"]
        stream.rest()
    line = ending(server, request_id)
    assert (line["outcome"], line["error"]) == ("failed", "worker_failed")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/completions", "/api/generate"])
def test_what_a_model_cannot_do_is_refused_before_it_is_loaded_or_another_leaves(
    server: Visitor, path: str, stream: bool
) -> None:
    server.ask("fake/echo", "hello")
    server.ask("fake/slow", script(text="x"))
    before = {row["id"] for row in server.status()["loaded_models"]}

    body = {"model": "fake/second", "prompt": "before", "suffix": "behind", "stream": stream}
    answer = server.client.post(path, json=body)

    error = answer.json()
    assert answer.status_code == 400
    if path.startswith("/v1/"):
        error = error["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", "suffix")
        assert "fake/second does not support insert" in error["message"]
    else:
        assert "fake/second does not support insert" in error["error"]
    assert error["code"] == "capability_missing"
    assert {row["id"] for row in server.status()["loaded_models"]} == before
    assert server.status()["waiting"] == []


def test_the_end_of_the_server_ends_the_answers_under_way(tmp_path: Path) -> None:
    with visited_server(tmp_path, settings={"shutdown_grace_s": 0, "slots": 1}) as visitor:
        with visitor.stream("fake/echo", ENDLESS) as stream:
            request_id = stream.response.headers["x-request-id"]
            stream.text()
            assert visitor.server.stop() == 0
        line = ending(visitor, request_id)
    assert (line["outcome"], line["error"]) == ("failed", "worker_failed")
