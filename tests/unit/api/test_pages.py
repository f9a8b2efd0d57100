"""What browsers are told about the pages of others, over real HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from tests.unit.api.parts import (
    MODEL,
    Running,
    ScriptedDispatch,
    application,
    config,
    services,
    serving,
)
from tests.unit.api.test_errors import stumble, stumble_midway

OBSIDIAN = "app://obsidian.md"
LISTED = "https://chat.example"
FOREIGN = "https://evil.example"
INFER = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
    ("/v1/completions", {"prompt": "Hi"}),
    ("/v1/messages", {"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}),
    ("/v1/responses", {"input": "Hi", "store": False}),
    ("/api/chat", {"messages": [{"role": "user", "content": "Hi"}]}),
    ("/api/generate", {"prompt": "Hi"}),
]
READ = ["/v1/models", "/v1/models/org/one", "/api/tags", "/api/version", "/health", "/openapi.json"]
MANAGE = [
    ("POST", "/v1/models/org/one/load"),
    ("POST", "/v1/models/org/one/unload"),
    ("POST", "/v1/models/unload-all"),
    ("POST", "/v1/models/rescan"),
    ("PATCH", "/v1/models/org/one/settings"),
    ("POST", "/v1/manager/leave-safe-mode"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    dispatch = ScriptedDispatch()
    settings = config(tmp_path_factory.mktemp("data"), allowed_origins=LISTED)
    with serving(application(services(settings, dispatch=dispatch))) as address:
        yield Running(address, dispatch)


def ask(
    address: str,
    method: str,
    path: str,
    origin: str,
    *,
    json: object = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """What a page of `origin` is answered."""
    sent = {"origin": origin, "sec-fetch-site": "cross-site", **(headers or {})}
    return httpx.request(method, address + path, headers=sent, json=json, timeout=20)


def preflight(address: str, path: str, origin: str = OBSIDIAN, **asked: str) -> httpx.Response:
    headers = {"access-control-request-method": "POST"}
    headers |= {f"access-control-request-{name.replace('_', '-')}": v for name, v in asked.items()}
    return ask(address, "OPTIONS", path, origin, headers=headers)


def assert_shown(answer: httpx.Response, origin: str) -> None:
    assert answer.headers["access-control-allow-origin"] == origin
    assert "Origin" in answer.headers["vary"]
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "retry-after", "x-mlx-gui-left-out", "x-context-tokens"} <= set(exposed)


def assert_hidden(answer: httpx.Response) -> None:
    assert [name for name in answer.headers if name.startswith("access-control")] == []
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("origin", [OBSIDIAN, LISTED, "http://localhost:3000"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "body"), INFER)
def test_pages_of_this_machine_and_listed_ones_may_infer_in_every_api(
    address: str, path: str, body: dict[str, object], stream: bool, origin: str
) -> None:
    answer = ask(address, "POST", path, origin, json={"model": MODEL.id, "stream": stream, **body})

    assert answer.status_code == 200, answer.text
    assert "Hello" in answer.text
    assert_shown(answer, origin)


@pytest.mark.parametrize("path", READ)
def test_they_may_read_too(address: str, path: str) -> None:
    answer = ask(address, "GET", path, OBSIDIAN)

    assert answer.status_code == 200
    assert_shown(answer, OBSIDIAN)


@pytest.mark.parametrize(("method", "path"), MANAGE)
def test_pages_of_this_machine_may_not_manage(address: str, method: str, path: str) -> None:
    for origin in (OBSIDIAN, "http://localhost:3000", "http://tauri.localhost"):
        for key in ({}, {"authorization": "Bearer secret-token"}):
            answer = ask(address, method, path, origin, json={}, headers=key)
            assert answer.status_code == 403
            assert f"A page of {origin}" in answer.json()["error"]["message"]
            assert "allowed_origins" in answer.json()["error"]["hint"]
            assert_shown(answer, origin)


def test_our_own_pages_and_listed_ones_may_manage(address: str) -> None:
    for origin in (address, LISTED):
        answer = ask(
            address,
            "POST",
            "/v1/models/rescan",
            origin,
            headers={"sec-fetch-site": "same-origin" if origin == address else "cross-site"},
        )
        assert answer.status_code == 200
        assert_shown(answer, origin)


@pytest.mark.parametrize("origin", [FOREIGN, "null", "file://", "chrome-extension://abc"])
@pytest.mark.parametrize(("path", "body"), INFER)
def test_foreign_pages_get_nothing(
    dispatch: ScriptedDispatch, address: str, path: str, body: dict[str, object], origin: str
) -> None:
    for answer in (
        ask(address, "POST", path, origin, json={"model": MODEL.id, **body}),
        ask(address, "GET", "/v1/models", origin),
        preflight(address, path, origin),
    ):
        assert answer.status_code == 403
        assert_hidden(answer)
    assert dispatch.asked == []


def test_errors_and_broken_streams_are_shown_as_well(
    dispatch: ScriptedDispatch, address: str
) -> None:
    body = {"model": MODEL.id, "messages": [{"role": "user", "content": "Hi"}]}
    wrong = ask(address, "POST", "/v1/chat/completions", OBSIDIAN, json={})
    unknown = ask(address, "GET", "/v1/nothing", OBSIDIAN)
    dispatch.script = stumble
    crashed = ask(address, "POST", "/v1/chat/completions", OBSIDIAN, json=body)

    assert [wrong.status_code, unknown.status_code, crashed.status_code] == [400, 404, 500]
    for answer in (wrong, unknown, crashed):
        assert_shown(answer, OBSIDIAN)
        assert answer.headers["x-request-id"]

    dispatch.script = stumble_midway
    headers = {"origin": OBSIDIAN}
    with (
        httpx.Client(headers=headers, timeout=20) as client,
        client.stream(
            "POST", f"{address}/v1/chat/completions", json={**body, "stream": True}
        ) as answer,
    ):
        assert_shown(answer, OBSIDIAN)
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


def test_whoever_is_no_page_gets_no_such_headers(address: str) -> None:
    assert_hidden(httpx.get(f"{address}/v1/models"))


@pytest.mark.parametrize("path", [*(path for path, _ in INFER), "/v1/models/org/one/settings"])
def test_a_preflight_allows_what_clients_send(address: str, path: str) -> None:
    asked = (
        "authorization,content-type,x-api-key,anthropic-version,anthropic-beta,"
        "anthropic-dangerous-direct-browser-access,openai-organization,x-stainless-lang,"
        "x-stainless-retry-count,x-requested-with,HTTP-Referer,X-Title"
    )
    answer = preflight(address, path, headers=asked, private_network="true")

    assert (answer.status_code, answer.content) == (204, b"")
    assert_shown(answer, OBSIDIAN)
    assert set(answer.headers["access-control-allow-headers"].split(", ")) == set(
        asked.lower().split(",")
    )
    assert {"GET", "POST", "DELETE"} <= set(
        answer.headers["access-control-allow-methods"].split(", ")
    )
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "Access-Control-Request-Headers" in answer.headers["vary"]


def test_a_preflight_that_asks_for_no_headers_gets_the_usual_ones(address: str) -> None:
    answer = preflight(address, "/v1/chat/completions")

    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-private-network" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"headers": "a" * 10_000}, "10000 characters"),
        ({"headers": ",".join(f"x-{number}" for number in range(65))}, "65 names"),
        ({"headers": "content-type, x y"}, "'x y'"),
        ({"headers": "x(y)"}, "no header's name"),
        ({"method": "P ST"}, "no method"),
        ({"method": "A" * 10_000}, "no method"),
    ],
)
def test_a_preflight_that_no_browser_sends_is_refused(
    address: str, asked: dict[str, str], said: str
) -> None:
    answer = preflight(address, "/v1/messages", **asked)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_a_preflight_must_be_addressed_to_us(address: str) -> None:
    headers = {
        "host": "rebound.example",
        "origin": "http://rebound.example",
        "access-control-request-method": "POST",
    }
    answer = httpx.options(f"{address}/v1/chat/completions", headers=headers)

    assert answer.status_code == 403
    assert "host name" in answer.json()["error"]["message"]
