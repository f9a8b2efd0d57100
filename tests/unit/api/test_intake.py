"""What each route takes of bodies, and what it says to others before anything is loaded."""

import json
from typing import Any

import httpx
import pytest

from mlx_gui.api.families import FAMILIES, routes_of
from mlx_gui.api.intakes import Intakes
from tests.unit.api.parts import ScriptedDispatch

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
LOAD, RESCAN = "/v1/models/one/load", "/v1/models/rescan"
JSON = "application/json"
HI = {"model": "one", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}

STRANGE_TYPES = [
    pytest.param([], id="none"),
    pytest.param([""], id="empty"),
    pytest.param(["text/plain"], id="another"),
    pytest.param(["multipart/form-data; boundary=x"], id="a form"),
    pytest.param(["multipart/form-data"], id="a form without a boundary"),
    pytest.param(["application/x-www-form-urlencoded"], id="a form in one line"),
    pytest.param([f"{JSON}, text/plain"], id="two in one"),
    pytest.param([JSON, "text/plain"], id="two"),
    pytest.param([JSON, JSON], id="the same twice"),
    pytest.param(["text/plain", JSON], id="two the other way round"),
    pytest.param(["application/json+evil"], id="one that begins alike"),
    pytest.param(["charset=utf-8"], id="parameters only"),
    pytest.param(["x" * 10_000], id="a long one"),
    pytest.param(["text/" + "é" * 5_000], id="a long one that is not ASCII"),
    pytest.param([";" * 10_000], id="nothing but semicolons"),
]


def post(address: str, path: str, types: list[str], body: bytes) -> httpx.Response:
    headers = [("content-type", each.encode("latin-1")) for each in types]
    return httpx.post(address + path, content=body, headers=headers)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """What is in the family's shape: Anthropic's says its own type beside it."""
    body = answer.json()
    if answer.url.path == MESSAGES:
        assert body["type"] == "error"
        assert body["request_id"] == answer.headers["x-request-id"]
    else:
        assert body["error"]["request_id"] == answer.headers["x-request-id"]
    return body["error"]


@pytest.mark.parametrize("types", STRANGE_TYPES)
@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES, LOAD, RESCAN])
def test_a_content_type_that_a_route_does_not_take_is_refused_in_its_familys_shape(
    address: str, dispatch: ScriptedDispatch, path: str, types: list[str]
) -> None:
    answer = post(address, path, types, json.dumps(HI).encode())

    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (415, "unsupported_media_type")
    assert f"{path} takes {JSON}, not " in error["message"]
    assert len(error["message"]) < 200
    assert JSON in error["hint"]
    assert dispatch.asked == []


@pytest.mark.parametrize(
    "type_",
    [
        f"{JSON}; charset=nonsense",
        f'{JSON}; charset="',
        f"{JSON}; charset=utf-16; charset=utf-8",
        f"{JSON}; charset=" + "é" * 1_000,
        f"{JSON};;;;",
        f"{JSON} ; =",
        f"{JSON}; boundary=x",
        f"{JSON}; x*=utf-8''%ff; y*0=a; y*1=b",
        "APPLICATION/JSON",
    ],
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_json_is_utf_8_whatever_its_parameters_say(
    address: str, dispatch: ScriptedDispatch, path: str, type_: str
) -> None:
    answer = post(address, path, [type_], json.dumps(HI).encode())

    assert answer.status_code == 200, answer.text
    assert dispatch.asked[0].messages[0].text() == "Hi"


def test_what_is_asked_of_no_route_is_not_found_whatever_it_carries(address: str) -> None:
    answer = post(address, "/v1/audio/unheard", ["multipart/form-data"], b"--")

    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")


def test_a_route_that_reads_no_body_takes_little_of_one(address: str) -> None:
    small, large = b"{}", b" " * 100_000
    headers = {"content-type": JSON}

    answer = httpx.post(address + RESCAN, content=small, headers=headers)
    assert answer.status_code == 200
    answer = httpx.post(address + RESCAN, content=large, headers=headers)
    assert (answer.status_code, error_of(answer)["code"]) == (413, "payload_too_large")
    assert "65536" in error_of(answer)["message"]


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES, LOAD])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_of_its_route_is_refused_however_it_is_sent(
    address: str, dispatch: ScriptedDispatch, path: str, chunked: bool
) -> None:
    content = iter([b" " * 60_000] * 3) if chunked else b" " * 180_000

    answer = httpx.post(address + path, content=content, headers={"content-type": JSON})

    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (413, "payload_too_large")
    assert str(2**17) in error["message"]
    assert path in error["message"]
    assert "max_body_bytes" in error["hint"]
    assert dispatch.asked == []


@pytest.mark.parametrize("encoding", [["gzip"], ["identity", "br"], ["br", "identity"]])
def test_a_body_is_not_unpacked_whichever_of_its_headers_says_that_it_is_packed(
    address: str, encoding: list[str]
) -> None:
    headers = [("content-type", JSON), *(("content-encoding", each) for each in encoding)]

    answer = httpx.post(address + CHAT, content=b"{}", headers=headers)

    assert answer.status_code == 415
    assert "compressed" in error_of(answer)["message"]


def test_every_route_that_reads_a_body_says_how_large_it_may_be() -> None:
    routes = routes_of(FAMILIES)
    intakes = Intakes(routes)

    reading = [route for route in routes if getattr(route, "body_field", None) is not None]
    assert len(reading) > 10
    for route in reading:
        (method,) = route.methods
        path = route.path.replace("{name:path}", "org/one").replace("{response_id}", "resp_1")
        intake = intakes.of(method, path)
        assert intake == route.intake
        assert intake.limit == "max_body_bytes"
