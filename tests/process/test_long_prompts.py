"""A prompt that is too long for the context which nobody has set, over HTTP in each family."""

import threading
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.visitor import ENDLESS, Visitor, visited_server
from tests.support.soak import in_soak
from tests.support.waiting import wait_until

AGENT = "fake/agent"
LONG = "word " * 70_000
"""More than the 65,536 tokens that are taken unasked, and less than the model was made for."""

MESSAGES = [{"role": "user", "content": LONG}]
FAMILIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/responses": {"input": LONG},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 5},
    "/api/chat": {"messages": MESSAGES, "stream": False, "truncate": False},
    "/api/generate": {"prompt": LONG, "stream": False, "truncate": False},
}
NEAREST, *OTHERS = FAMILIES


def reloads(server: Visitor) -> list[str]:
    """Why the model was loaded anew, since somebody unloaded it."""
    newest = server.client.get("/v1/manager/decisions", params={"model": AGENT}).json()
    later = takewhile(lambda each: each["action"] != "unload", newest["decisions"])
    return [each["reason"] for each in later if each["action"] == "reload"]


@pytest.mark.parametrize("path", [NEAREST, *in_soak(*OTHERS)])
def test_a_prompt_that_is_too_long_is_answered_after_one_reload(server: Visitor, path: str) -> None:
    assert server.ask(AGENT, "Hi").status_code == 200
    assert server.row(AGENT)["context"] == 65_536

    answer = server.client.post(path, json={"model": AGENT, **FAMILIES[path]})

    assert answer.status_code == 200, answer.text[:500]
    assert server.row(AGENT)["context"] == 131_072
    assert reloads(server) == ["a prompt waits that is too long for its context of 65,536 tokens"]
    assert server.ask(AGENT, LONG).status_code == 200
    assert len(reloads(server)) == 1


@pytest.mark.soak
def test_an_answer_that_runs_goes_on_while_a_long_prompt_waits(server: Visitor) -> None:
    with server.stream(AGENT, ENDLESS) as running:
        assert "word" in running.text()
        answers: list[httpx.Response] = []
        later = threading.Thread(target=lambda: answers.append(server.ask(AGENT, LONG)))
        later.start()
        wait_until(lambda: server.row(AGENT)["queued"] == 1, what="the long prompt in the queue")
        assert "word" in running.text()
        running.hang_up()
        later.join(60)
    assert answers[0].status_code == 200
    with server.stream(AGENT, LONG) as stream:
        assert stream.response.status_code == 200
        assert stream.text()


def test_what_fits_no_context_is_refused_with_both_numbers_and_reloads_nothing(
    server: Visitor,
) -> None:
    assert server.ask(AGENT, "Hi").status_code == 200
    before = server.worker(AGENT)

    answer = server.ask(AGENT, "word " * 140_000)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "140001" in answer.json()["error"]["message"]
    assert server.worker(AGENT) == before
    assert reloads(server) == []


def test_a_context_that_was_set_is_kept_for_the_server_and_for_the_model(tmp_path: Path) -> None:
    with visited_server(tmp_path, settings={"max_context_tokens": 100}) as server:
        answer = server.ask(AGENT, "word " * 200)
        assert answer.json()["error"]["code"] == "context_length_exceeded"
        path = f"/v1/models/{AGENT}/settings"
        changed = server.client.patch(path, json={"settings": {"context_tokens": 300}})
        assert changed.status_code == 200
        assert server.ask(AGENT, "word " * 200).status_code == 200
        assert server.ask(AGENT, "word " * 400).status_code == 400
        changed = server.client.patch(path, json={"settings": {"context_tokens": "auto"}})
        assert changed.json()["settings"]["context_tokens"]["value"] == "auto"
        assert server.ask(AGENT, LONG).status_code == 200
