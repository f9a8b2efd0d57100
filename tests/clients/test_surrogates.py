"""Half a surrogate pair in a body: what JavaScript sends of a text that was cut within an emoji."""

import re
from typing import Any

import httpx
import pytest

from mlx_gui.api.families import FAMILIES
from mlx_gui.api.family import Family
from mlx_gui.api.validation import StrictJsonRoute
from tests.support.server import Server

CUT = rb'{"model": "fake/echo", "at": [{}, {"text": "Hi \ud83d"}]}'
SAID = (
    "The body is not valid JSON: `at[1].text` has half a surrogate pair, "
    r"\ud83d at byte 47."
)
WHOLE = "Hi \ufffd"


def rows(family: Family) -> list[tuple[str, str]]:
    """Method and path of each route that reads JSON."""
    return [
        (method, re.sub(r"\{[^}]+\}", "fake/echo", route.path))
        for router in family.routers
        for route in router.routes
        if isinstance(route, StrictJsonRoute) and route.body_field is not None
        for method in route.methods
    ]


REFUSED = [
    (family.name, *row) for family in FAMILIES if family.name != "ollama" for row in rows(family)
]
REPLACED = [row for family in FAMILIES if family.name == "ollama" for row in rows(family)]


def send(client: httpx.Client, method: str, path: str, content: bytes) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return client.request(method, path, content=content, headers=headers)


def test_every_family_has_endpoints_that_read_json() -> None:
    assert {family for family, _, _ in REFUSED} == {"manage", "openai", "anthropic"}
    assert len(REFUSED) > 20
    assert len(REPLACED) == 8


@pytest.mark.parametrize(("family", "method", "path"), REFUSED)
def test_it_is_refused_with_what_and_where(
    server: Server, family: str, method: str, path: str
) -> None:
    with server.client() as client:
        answer = send(client, method, path, CUT)

    body = answer.json()
    error = body["error"]
    assert answer.status_code == 400
    assert error["message"] == SAID
    assert error["code"] == "invalid_request"
    assert "toWellFormed" in error["hint"]
    if family == "anthropic":
        assert (body["type"], error["type"]) == ("error", "invalid_request_error")
        assert error["details"]["param"] == "at[1].text"
    else:
        assert error["param"] == "at[1].text"


@pytest.mark.parametrize(("method", "path"), REPLACED)
def test_ollamas_endpoints_read_it_as_a_replacement_character(
    server: Server, method: str, path: str
) -> None:
    """As Ollama does: no model has such a name, so that it stands in the refusal."""
    named = rb'{"%s": "no/su\ud83dch", "destination": "a/b", "prompt": "Hi"}'
    field = b"source" if path == "/api/copy" else b"model"
    with server.client() as client:
        answer = send(client, method, path, named % field)

    assert "no/su\ufffdch" in answer.text


@pytest.mark.parametrize(
    ("path", "fields", "answer_of"),
    [
        (
            "/api/chat",
            rb'"messages": [{"role": "user", "content": "Hi \ud83d"}]',
            lambda answer: answer["message"]["content"],
        ),
        ("/api/generate", rb'"prompt": "Hi \ud83d"', lambda answer: answer["response"]),
    ],
)
def test_ollamas_models_read_it_as_a_replacement_character(
    server: Server, path: str, fields: bytes, answer_of: Any
) -> None:
    content = rb'{"model": "fake/echo", "stream": false, %s}' % fields
    with server.client() as client:
        answer = send(client, "POST", path, content)

    assert answer_of(answer.json()) == f"You said: {WHOLE}"
