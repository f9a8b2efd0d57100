"""A model is found in every API by its name in another case, with Ollama's tag, and encoded."""

from typing import Any

import pytest

from tests.support.server import Server

HELLO = [{"role": "user", "content": "Hello"}]
NAMES = ("fake/echo", "echo", "Fake/ECHO", "Echo", "echo:latest", "FAKE/Echo:Latest")
ENCODED = ("fake%2Fecho", "FAKE%2fEcho%3Alatest", "%66ake/echo", "echo%3alatest")
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/v1/completions": {"prompt": "Hello"},
    "/v1/responses": {"input": "Hello"},
    "/v1/tokenize": {"prompt": "Hello"},
    "/v1/messages": {"messages": HELLO, "max_tokens": 5},
    "/v1/messages/count_tokens": {"messages": HELLO},
    "/api/chat": {"messages": HELLO, "stream": False},
    "/api/generate": {"prompt": "Hello", "stream": False},
    "/api/show": {},
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", BODIES)
def test_a_body_may_name_a_model_in_any_way(server: Server, path: str, name: str) -> None:
    with server.client() as client:
        answer = client.post(path, json={"model": name, **BODIES[path]})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", NAMES + ENCODED)
def test_an_address_may_name_a_model_in_any_way(server: Server, name: str) -> None:
    path = f"/v1/models/{name}"
    with server.client() as client:
        shown = client.get(path)
        assert shown.status_code == 200, shown.text
        assert shown.json()["id"] == "fake/echo"
        assert client.post(f"{path}/load").json()["model"]["id"] == "fake/echo"
        assert client.get(f"{path}/health").json()["model"] == "fake/echo"
        assert client.get(f"{path}/settings").status_code == 200
        assert client.post(f"{path}/plan", json={}).status_code == 200


def test_an_unload_may_name_a_model_in_any_way(server: Server) -> None:
    with server.client() as client:
        for name in NAMES + ENCODED:
            answer = client.post(f"/v1/models/{name}/unload", params={"when": "idle"})
            assert answer.json()["model"]["id"] == "fake/echo", name


@pytest.mark.parametrize("path", BODIES)
def test_another_tag_is_another_model(server: Server, path: str) -> None:
    with server.client() as client:
        answer = client.post(path, json={"model": "fake/echo:7b", **BODIES[path]})
    assert answer.status_code == 404
