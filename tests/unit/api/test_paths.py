"""Paths with slashes too many, and the methods that a path takes."""

import re
from collections.abc import Iterator

import httpx
import pytest
from starlette.routing import Match, Route

from mlx_gui.api.families import FAMILIES, routes_of
from mlx_gui.api.paths import plain_path
from mlx_gui.web.static_files import mount
from tests.unit.api.parts import (
    DEADLINE_S,
    MODEL,
    Running,
    ScriptedDispatch,
    application,
    config,
    services,
    serving,
)

TURN = {"role": "user", "content": "Hi"}
POSTS = {
    "/v1/chat/completions": {"messages": [TURN]},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/responses": {"input": "Hi", "store": False},
    "/v1/messages": {"messages": [TURN], "max_tokens": 5},
    "/api/chat": {"messages": [TURN]},
    "/api/generate": {"prompt": "Hi"},
}
GETS = [
    "/v1/models",
    "/v1/models/org/one",
    "/v1/models/org/one/settings",
    "/v1/manager/status",
    "/v1/system/status",
    "/health",
    "/ready",
    "/openapi.json",
    "/api/tags",
    "/api/ps",
    "/api/version",
    "/",
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    dispatch = ScriptedDispatch()
    app = application(services(config(tmp_path_factory.mktemp("data")), dispatch=dispatch))
    mount(app)
    with serving(app) as address:
        yield Running(address, dispatch)


def ask(address: str, method: str, path: str, json: object = None) -> httpx.Response:
    return httpx.request(method, address + path, json=json, timeout=DEADLINE_S)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/v1/models/", "/v1/models"),
        ("//v1///models//", "/v1/models"),
        ("/v1/models/org//one/", "/v1/models/org/one"),
        ("/admin", "/admin"),
        ("//admin//", "/admin/"),
        ("/admin/models/", "/admin/models/"),
        ("/admin//assets//a.js", "/admin/assets/a.js"),
        ("/docs/", "/docs/"),
        ("/administration/", "/administration"),
        ("", "/"),
    ],
)
def test_a_path_has_one_form(written: str, plain: str) -> None:
    assert plain_path(written) == plain


@pytest.mark.parametrize("path", GETS)
def test_slashes_too_many_read_the_same(address: str, path: str) -> None:
    usual = ask(address, "GET", path)
    assert usual.status_code == 200
    for written in (path + "/", path + "//", path.replace("/", "//"), f"/{path}?a=//b/"):
        answer = ask(address, "GET", written)
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            usual.headers["content-type"],
        )


@pytest.mark.parametrize("path", POSTS)
def test_slashes_too_many_ask_the_same(address: str, path: str) -> None:
    for written in (path, path + "/", path.replace("/", "//")):
        good = ask(address, "POST", written, {"model": MODEL.id, **POSTS[path]})
        assert good.status_code == 200
        assert "Hello" in good.text
        bad = ask(address, "POST", written, {})
        assert bad.status_code == 400
        assert isinstance(bad.json()["error"], str) == path.startswith("/api/")
        assert ("type" in bad.json()) == path.startswith("/v1/messages")
        assert httpx.post(address + written, content=b"{}").status_code in (400, 415)


@pytest.mark.parametrize("path", [*GETS, "/v1/models/", "/admin/", "/admin/models", "/docs/"])
def test_every_get_has_a_head(address: str, path: str) -> None:
    get, head = ask(address, "GET", path), ask(address, "HEAD", path)

    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in ("content-type", "content-length"):
        assert (name in head.headers) == (name in get.headers)
    assert head.headers["content-type"] == get.headers["content-type"]


def test_the_head_of_a_stream_ends(address: str) -> None:
    head = ask(address, "HEAD", "/v1/events")

    assert head.status_code == 200
    assert head.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("HEAD", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/chat/completions/", "POST"),
        ("PUT", "/v1/messages", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("PATCH", "/v1/responses/resp_1", "GET, HEAD, DELETE"),
        ("POST", "/v1/responses/resp_1", "GET, HEAD, DELETE"),
        ("DELETE", "/v1/models/org/one/settings", "GET, HEAD, PATCH"),
        ("GET", "/api/chat", "POST"),
        ("DELETE", "/api/tags", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/health", "GET, HEAD"),
        ("POST", "/admin", "GET, HEAD"),
        ("NOTIFY", "/v1/models", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_told_which_it_does(
    address: str, method: str, path: str, allowed: str
) -> None:
    answer = ask(address, method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    if method != "HEAD":
        assert allowed in answer.text
    assert ask(address, "OPTIONS", path).headers["allow"] == allowed


def test_files_are_only_read(address: str) -> None:
    for path in ("/admin/", "/admin/models", "/docs/"):
        answer = ask(address, "POST", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/", "/api/nothing/", "/v2/models"])
def test_where_nothing_is_no_method_helps(address: str, method: str, path: str) -> None:
    assert ask(address, method, path).status_code == 404


def test_each_route_answers_its_own_path() -> None:
    routes = [route for route in routes_of(FAMILIES) if isinstance(route, Route)]
    for route in routes:
        path = re.sub(r"\{[^}]*\}", "x", route.path)
        for method in route.methods or ():
            scope = {"type": "http", "method": method, "path": path}
            first = next(each for each in routes if each.matches(scope)[0] is Match.FULL)
            assert first is route, f"{method} {path}"


def test_those_that_models_are_asked_by_are_looked_at_first() -> None:
    paths = [route.path for route in routes_of(FAMILIES) if isinstance(route, Route)]
    assert paths.index("/v1/chat/completions") < paths.index("/v1/manager/status")
    assert paths.index("/v1/embeddings") < paths.index("/v1/manager/status")
