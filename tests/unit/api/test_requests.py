"""Requests under way and records over HTTP, who may see them, and figures for Prometheus."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlx_gui.api.services import Services
from mlx_gui.core.ask import Ask, RequestEnd
from mlx_gui.core.errors import ErrorInfo
from mlx_gui.core.generation import Delta, GenerateRequest, Prefill, Prepared, Usage
from mlx_gui.version import __version__
from mlx_gui.wire.requests import RequestList, RequestObject, RequestProgress, RequestsEvent
from tests.unit.api.parts import Shelf, application, config, services, serving
from tests.unit.api.residency import LOADED, ScriptedRunLoop
from tests.unit.api.test_manage import events

ASK = Ask(
    id="chatcmpl-1",
    request=GenerateRequest(prompt="A secret."),
    needs="chat",
    request_id="asked-1",
    endpoint="/v1/chat/completions",
    client="curl/8",
)
USAGE = Usage(30, 20, cached_tokens=10, prefill_ms=400, decode_ms=550, cache_miss="evicted")
PAGE = {"origin": "http://localhost:3000"}
"""A page of this machine that is not ours: it may infer and read."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A server, and its parts, to which things are done between its requests."""

    client: httpx.Client
    parts: Services
    run_loop: ScriptedRunLoop
    shelf: Shelf

    def do(self, work: Callable[[], None]) -> None:
        """Run `work` on the server's own event loop."""
        self.shelf.on_rescan = work
        self.client.post("/v1/models/rescan").raise_for_status()

    def submit(self, *asks: Ask, model: str = "org/one", granted: bool = False) -> None:
        tracker = self.parts.requests.tracker

        def work() -> None:
            for ask in asks:
                tracker.submitted(ask, model)
                if granted:
                    tracker.granted(ask)

        self.do(work)

    def end(self, *asks: Ask, end: RequestEnd | None = None) -> None:
        tracker = self.parts.requests.tracker

        def work() -> None:
            for ask in asks:
                tracker.ended(ask, end or RequestEnd("finished", USAGE))

        self.do(work)

    def list(self, **query: Any) -> RequestList:
        answer = self.client.get("/v1/requests", params=query).raise_for_status()
        return RequestList.model_validate_json(answer.content)


@contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    shelf = Shelf()
    parts = services(config(folder), shelf=shelf)
    run_loop = ScriptedRunLoop(parts.bus)
    scripted = replace(parts, models=replace(parts.models, run_loop=cast(Any, run_loop)))
    with serving(application(scripted)) as address, httpx.Client(base_url=address) as client:
        yield Desk(client, scripted, run_loop, shelf)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        yield opened


def asks(count: int) -> list[Ask]:
    return [replace(ASK, id=f"chatcmpl-{n}", request_id=f"asked-{n}") for n in range(count)]


def test_a_request_under_way_says_its_phase_and_how_far_it_is(desk: Desk) -> None:
    tracker = desk.parts.requests.tracker

    def progress() -> RequestProgress:
        (shown,) = desk.list().running
        assert shown.progress is not None
        return shown.progress

    desk.submit(ASK)
    assert (progress().phase, progress().prompt, progress().tokens_per_s) == ("queued", None, None)
    desk.do(lambda: tracker.granted(ASK))
    desk.do(lambda: tracker.advanced(ASK, [Prepared(30), Prefill(20, 30, cached=10)]))
    reading = progress()
    assert (reading.phase, reading.prompt, reading.read, reading.cached) == ("prefill", 30, 20, 10)
    desk.do(lambda: tracker.begun(ASK))
    desk.do(lambda: tracker.advanced(ASK, [Prefill(30, 30, cached=10), Delta(0, "x")]))
    assert (progress().phase, progress().written) == ("decode", 1)
    desk.end(ASK)
    assert desk.list().data[0].progress is None


def test_a_request_is_listed_while_it_runs_and_as_a_record_afterwards(desk: Desk) -> None:
    desk.submit(ASK)
    (waiting,) = desk.list().running
    desk.do(lambda: desk.parts.requests.tracker.granted(ASK))
    (running,) = desk.list().running
    desk.end(ASK)
    listed = desk.list()

    assert (waiting.status, running.status) == ("queued", "running")
    assert waiting.phases.queued_ms == waiting.phases.total_ms
    assert (waiting.seq, waiting.ended_at, waiting.tokens) == (None, None, None)
    assert listed.running == []
    (record,) = listed.data
    assert (record.id, record.request_id, record.seq) == ("chatcmpl-1", "asked-1", 1)
    assert (record.status, record.endpoint, record.client) == (
        "finished",
        "/v1/chat/completions",
        "curl/8",
    )
    assert record.tokens is not None
    assert (record.tokens.prompt, record.tokens.cached) == (30, 10)
    assert (record.phases.prefill_ms, record.phases.decode_ms) == (400, 550)
    assert record.cache_miss == "evicted"
    assert listed.last == 1


def test_nothing_of_a_prompt_is_shown(desk: Desk) -> None:
    desk.submit(ASK)
    running = desk.client.get("/v1/requests").text
    desk.end(ASK)

    assert "A secret." not in running + desk.client.get("/v1/requests").text


def test_pages_go_forward_by_after_and_back_by_before(desk: Desk) -> None:
    sent = asks(10)
    desk.submit(*sent)
    desk.end(*sent)

    last = desk.list(limit=3)
    back = desk.list(limit=3, before=last.data[0].seq)
    forward = desk.list(limit=4, after=0)

    assert [each.seq for each in last.data] == [8, 9, 10]
    assert [each.seq for each in back.data] == [5, 6, 7]
    assert [each.seq for each in forward.data] == [1, 2, 3, 4]
    assert (forward.has_more, forward.last) == (True, 10)
    assert desk.list(after=10).data == []


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"model": "org/two"}, ["chatcmpl-2", "chatcmpl-3"]),
        ({"outcome": "refused"}, ["chatcmpl-2"]),
        ({"endpoint": "/v1/messages"}, ["chatcmpl-2"]),
        ({"tenant": "other"}, ["chatcmpl-2"]),
        ({"since": "2100-01-01"}, []),
        ({"since": "2000-01-01T00:00:00Z"}, ["chatcmpl-1", "chatcmpl-2", "chatcmpl-3"]),
    ],
)
def test_requests_are_chosen_by_what_is_asked_for(
    desk: Desk, query: dict[str, str], ids: list[str]
) -> None:
    refused = replace(ASK, id="chatcmpl-2", endpoint="/v1/messages", tenant="other")
    third = replace(ASK, id="chatcmpl-3")
    desk.submit(ASK)
    desk.submit(refused, third, model="org/two")
    desk.end(ASK)
    desk.end(refused, end=RequestEnd("refused", error=ErrorInfo("queue_full", "8 wait.")))
    desk.end(third)

    assert [each.id for each in desk.list(**query).data] == ids


def test_those_under_way_are_chosen_the_same_way(desk: Desk) -> None:
    desk.submit(ASK)
    desk.submit(replace(ASK, id="chatcmpl-2", endpoint="/v1/messages"), model="org/two")

    def running(**query: str) -> list[str]:
        return [each.id for each in desk.list(**query).running]

    assert running() == ["chatcmpl-1", "chatcmpl-2"]
    assert running(model="org/two") == ["chatcmpl-2"]
    assert running(endpoint="/v1/messages") == ["chatcmpl-2"]
    assert running(tenant="other") == []
    assert running(outcome="finished") == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"after": -1},
        {"after": 2**63},
        {"before": "now"},
        {"outcome": "lost"},
        {"since": "yesterday"},
        {"since": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_what_cannot_be_meant_is_refused(desk: Desk, query: dict[str, Any]) -> None:
    answer = desk.client.get("/v1/requests", params=query)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == next(iter(query))


@pytest.mark.parametrize("name", ["chatcmpl-1", "asked-1"])
def test_a_request_is_found_by_either_of_its_ids(desk: Desk, name: str) -> None:
    desk.submit(ASK)
    running = desk.client.get(f"/v1/requests/{name}")
    desk.end(ASK, end=RequestEnd("failed", error=ErrorInfo("worker_failed", "It was killed.")))
    record = desk.client.get(f"/v1/requests/{name}")

    assert RequestObject.model_validate_json(running.content).status == "queued"
    shown = RequestObject.model_validate_json(record.content)
    assert (shown.id, shown.status) == ("chatcmpl-1", "failed")
    assert shown.error is not None
    assert (shown.error.code, shown.error.message) == ("worker_failed", "It was killed.")


def test_a_request_that_nobody_knows_is_not_found(desk: Desk) -> None:
    for answer in (
        desk.client.get("/v1/requests/unheard-of"),
        desk.client.post("/v1/requests/unheard-of/cancel"),
    ):
        assert answer.status_code == 404
        assert "There is no request 'unheard-of'." in answer.text


@pytest.mark.parametrize("name", ["chatcmpl-1", "asked-1"])
def test_a_request_under_way_is_ended_by_either_of_its_ids(desk: Desk, name: str) -> None:
    desk.submit(ASK, granted=True)
    answer = desk.client.post(f"/v1/requests/{name}/cancel")

    assert answer.json() == {"id": "chatcmpl-1", "status": "running"}
    assert desk.run_loop.asked == [("cancel", "chatcmpl-1")]


def test_what_has_ended_cannot_be_cancelled(desk: Desk) -> None:
    desk.submit(ASK)
    desk.end(ASK)
    answer = desk.client.post("/v1/requests/chatcmpl-1/cancel")

    assert answer.status_code == 409
    assert "has ended already: finished" in answer.text
    assert desk.run_loop.asked == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/requests"),
        ("GET", "/v1/requests/chatcmpl-1"),
        ("POST", "/v1/requests/chatcmpl-1/cancel"),
        ("GET", "/v1/events?topics=models,requests"),
    ],
)
def test_a_page_that_may_only_infer_and_read_sees_no_requests(
    desk: Desk, method: str, path: str
) -> None:
    assert desk.client.request(method, path, headers=PAGE).status_code == 403


def test_whoever_follows_is_told_that_there_is_more(desk: Desk) -> None:
    with desk.client.stream("GET", "/v1/events?topics=requests") as answer:
        stream = events(answer.iter_lines())
        assert next(stream)[0] == "hello"
        _, _, snapshot = next(stream)
        desk.submit(ASK)
        name, _, waiting = next(stream)
        desk.end(ASK)
        desk.list()
        told = waiting
        while told["last"] == 0:
            _, _, told = next(stream)

    assert snapshot["requests"] == {"last": 0, "queued": 0, "running": 0}
    assert name == "requests"
    assert RequestsEvent.model_validate(waiting) == RequestsEvent(last=0, queued=1, running=0)
    assert told == {"last": 1, "queued": 0, "running": 0}


def test_a_damaged_file_of_records_is_begun_anew_and_answers(tmp_path: Path) -> None:
    (tmp_path / "requests.db").write_bytes(b"This is no database. " * 400)
    with open_desk(tmp_path) as desk:
        assert desk.list().data == []
        desk.submit(ASK)
        desk.end(ASK)
        assert len(desk.list().data) == 1
    assert (tmp_path / "requests.db.damaged").exists()


def test_figures_are_told_in_the_format_of_prometheus(desk: Desk) -> None:
    desk.run_loop.residents["org/one"] = replace(LOADED, active=2, queued=3)
    desk.submit(ASK)
    desk.end(ASK)
    answer = desk.client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["mlx_gui_requests_total", ASK.endpoint, "org/one", "finished"] == 1
    assert found["mlx_gui_tokens_total", "org/one", "completion"] == 20
    assert found["mlx_gui_build_info", __version__] == 1
    assert found["mlx_gui_loaded_models",] == 1
    assert found["mlx_gui_running_requests", "org/one"] == 2
    assert found["mlx_gui_queued_requests", "org/one"] == 3
    assert found["mlx_gui_memory_total_bytes",] > 0


def test_figures_of_models_are_read_by_whoever_may_read_models(desk: Desk) -> None:
    assert desk.client.get("/metrics", headers=PAGE).status_code == 200
