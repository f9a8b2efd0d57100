"""Requests whose preparation takes long: they are answered soon, and hold up nobody."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.process.visitor import ENDLESS, Visitor, chat, script, visited_server
from tests.support.waiting import wait_until
from tests.zoo.cache import checkpoint

MODEL = "Qwen3-tiny"
WORDWRAPS = "{% set x = messages[0].content|wordwrap(1) %}" * 20
EXPLOSION = (
    "{% set ns = namespace(l=[1]) %}{% for _ in range(60) %}{% set ns.l = [ns.l, ns.l] %}"
    "{% endfor %}{{ ns.l|tojson }}"
)


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    folder = checkpoint(MODEL).parent
    settings = {"model_dirs": folder, "max_context_tokens": 2048}
    with visited_server(
        tmp_path_factory.mktemp("server"), engine="mlx", settings=settings
    ) as opened:
        assert opened.ask(MODEL, "Hello", max_tokens=1).status_code == 200
        yield opened


@pytest.mark.parametrize("template", [EXPLOSION, pytest.param(WORDWRAPS, marks=pytest.mark.soak)])
def test_a_template_that_takes_for_ever_is_refused_and_others_are_answered(
    template: str, visitor: Visitor
) -> None:
    pid = visitor.row(MODEL)["pid"]
    with ThreadPoolExecutor(1) as beside:
        hostile = beside.submit(
            visitor.ask, MODEL, "word " * 1_000_000, max_tokens=1, chat_template=template
        )
        assert visitor.ask(MODEL, "Hello", max_tokens=1).status_code == 200
        refused = hostile.result()
    assert refused.status_code == 400
    assert "too long" in refused.json()["error"]["message"]
    assert visitor.row(MODEL)["pid"] == pid


def test_a_text_of_megabytes_is_refused_by_its_beginning(visitor: Visitor) -> None:
    text = "word " * 3_000_000
    too_long = visitor.ask(MODEL, text, max_tokens=1)
    assert too_long.status_code == 400
    assert too_long.json()["error"]["code"] == "context_length_exceeded"
    assert "has about" in too_long.json()["error"]["message"]
    asked = {"model": MODEL, "prompt": text}
    assert visitor.client.post("/v1/tokenize", json=asked).status_code == 400
    assert visitor.client.post("/v1/completions", json=asked).status_code == 400
    dropped = {
        "model": MODEL,
        "messages": [{"role": "user", "content": text}, *chat(MODEL, "Hello")["messages"]],
        "options": {"num_predict": 1},
        "stream": False,
    }
    assert visitor.client.post("/api/chat", json=dropped).status_code in (200, 400)


def test_a_schema_of_thousands_of_definitions_inside_each_other_does_not_end_the_worker(
    visitor: Visitor,
) -> None:
    links = {
        f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"type": "null"}]} for n in range(2500)
    }
    schema = {"$defs": {**links, "d2500": {"type": "string"}}, "$ref": "#/$defs/d0"}
    form = {"type": "json_schema", "json_schema": {"name": "deep", "schema": schema}}
    pid = visitor.row(MODEL)["pid"]
    answer = visitor.ask(MODEL, "Hello", max_tokens=1, response_format=form)
    assert answer.status_code in (200, 400)
    assert visitor.row(MODEL)["pid"] == pid


def test_a_preparation_that_stands_still_ends_its_worker_and_no_request_but_its_own(
    tmp_path: Path,
) -> None:
    settings = {"hang_timeout_s": 1, "slots": 4}
    with visited_server(tmp_path, settings=settings) as visitor, ThreadPoolExecutor(2) as beside:
        assert visitor.ask("fake/echo", "hello").status_code == 200
        stuck_worker = visitor.worker("fake/echo")
        with visitor.stream("fake/echo", ENDLESS) as running:
            running.text()
            stuck = beside.submit(visitor.ask, "fake/echo", script(prepare_ms=10**7))
            wait_until(lambda: visitor.row("fake/echo")["active"] == 2, what="the stuck request")
            other = beside.submit(visitor.ask, "fake/echo", "hello")
            error = running.rest()[-1]["error"]
        assert "prepared one request for 1 s" in error["message"]
        assert stuck.result().status_code == 500
        assert "prepared one request" in stuck.result().json()["error"]["message"]
        assert other.result().status_code == 200
        assert not stuck_worker.is_running()
