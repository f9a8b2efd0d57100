"""Ollama's `keep_alive` on real workers, and streams of lines whose reader leaves."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psutil
import pytest

from mlx_gui.api.ollama.models.translate import NEVER
from tests.process.visitor import ENDLESS, Visitor, visited_server
from tests.support.waiting import wait_until

ECHO = "fake/echo"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    settings = {"max_context_tokens": 1_000_000}
    with visited_server(tmp_path_factory.mktemp("server"), settings=settings) as visitor:
        yield visitor


def ask(server: Visitor, text: str, **fields: Any) -> httpx.Response:
    messages = [{"role": "user", "content": text}] if text else []
    body = {"model": ECHO, "messages": messages, "stream": False, **fields}
    return server.client.post("/api/chat", json=body).raise_for_status()


def loaded(server: Visitor) -> list[str]:
    return [row["model"] for row in server.client.get("/api/ps").json()["models"]]


def test_a_keep_alive_of_nothing_ends_the_worker_after_the_answer(server: Visitor) -> None:
    assert ask(server, "Hi").json()["message"]["content"] == "You said: Hi"
    worker = server.worker(ECHO)

    answer = ask(server, "Bye", keep_alive=0).json()

    assert answer["message"]["content"] == "You said: Bye"
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running()
    wait_until(lambda: loaded(server) == [], what="the model to be gone from the list")


def test_an_empty_request_with_no_keep_alive_answers_when_the_worker_has_ended(
    server: Visitor,
) -> None:
    assert ask(server, "", keep_alive="1h").json()["done_reason"] == "load"
    worker = server.worker(ECHO)

    assert ask(server, "", keep_alive=0).json()["done_reason"] == "unload"

    assert not worker.is_running()
    assert loaded(server) == []


def test_a_model_that_answers_is_unloaded_when_it_has_finished(server: Visitor) -> None:
    body = {"model": ECHO, "prompt": ENDLESS}
    with server.client.stream("POST", "/api/generate", json=body) as answer:
        lines = answer.iter_lines()
        assert not json.loads(next(lines))["done"]
        worker = server.worker(ECHO)
        assert ask(server, "", keep_alive=0).json()["done_reason"] == "unload"
        assert not json.loads(next(lines))["done"]

    # The reader has left, which ends the answer, and with it the worker.
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running()


def test_a_model_that_is_not_loaded_is_loaded_for_a_request_with_the_setting(
    server: Visitor,
) -> None:
    ask(server, "Hi", keep_alive=0)
    wait_until(lambda: loaded(server) == [], what="the model to be gone")

    ask(server, "Hi")

    assert loaded(server) == [ECHO]


def test_while_a_model_answers_it_is_shown_to_expire_by_its_own_setting(server: Visitor) -> None:
    def expires_at() -> str:
        (row,) = server.client.get("/api/ps").json()["models"]
        return row["expires_at"]

    def keep(seconds: int | None) -> None:
        settings = {"settings": {"keep_alive_s": seconds}}
        server.client.patch(f"/v1/models/{ECHO}/settings", json=settings).raise_for_status()

    ask(server, "", keep_alive=0)
    keep(-1)
    try:
        body = {"model": ECHO, "prompt": ENDLESS}
        with server.client.stream("POST", "/api/generate", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            assert expires_at() == NEVER
            keep(36_000)
            left = datetime.fromisoformat(expires_at()) - datetime.now(UTC)
            assert timedelta(hours=9) < left <= timedelta(hours=10)
    finally:
        keep(None)


def test_a_worker_that_is_killed_ends_the_stream_with_an_error_line(
    server: Visitor,
) -> None:
    body = {"model": ECHO, "prompt": ENDLESS}
    with server.client.stream("POST", "/api/generate", json=body) as answer:
        lines = answer.iter_lines()
        next(lines)
        server.worker(ECHO).kill()
        *_, last = lines

    assert json.loads(last)["code"] == "worker_failed"
    assert ECHO in json.loads(last)["error"]
