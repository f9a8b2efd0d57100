"""A collector gets one trace of each request, and no request waits for a collector."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.visitor import ENDLESS, Visitor, chat, script, visited_server
from tests.support.collector import Collector
from tests.support.waiting import wait_until

ECHO = "fake/echo"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "what nobody else may read"
SOON_S = 10


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Visitor]:
    settings = {"otlp_endpoint": collector.address}
    with visited_server(tmp_path_factory.mktemp("traces"), settings=settings) as server:
        yield server


@pytest.fixture
def fresh(collector: Collector) -> Collector:
    """Nothing has come of what this test asks."""
    collector.bodies.clear()
    return collector


def test_a_request_is_a_span_of_its_clients_trace_with_its_phases(
    server: Visitor, fresh: Collector
) -> None:
    headers = {
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "x-request-id": "asked-1",
        "authorization": "Bearer sk-secret",
    }
    text = script(text=SECRET, repeat=3, delay_ms=5)
    answer = server.client.post("/v1/chat/completions", json=chat(ECHO, text), headers=headers)
    assert answer.status_code == 200
    (request,) = fresh.requests(1)

    assert (request["traceId"], request["parentSpanId"]) == (TRACE, PARENT)
    assert (request["name"], request["kind"]) == (f"chat {ECHO}", "SPAN_KIND_SERVER")
    usage = answer.json()["usage"]
    attributes = request["attributes"]
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["gen_ai.request.model"] == ECHO
    assert attributes["gen_ai.response.id"] == answer.json()["id"]
    assert attributes["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert attributes["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert attributes["mlx_gui.request_id"] == "asked-1"
    assert attributes["http.route"] == "/v1/chat/completions"
    assert "error.type" not in attributes
    assert request.get("status", {}) == {}

    phases = fresh.below(request)
    assert {"queue", "load", "decode"} <= phases.keys() <= {"queue", "load", "prefill", "decode"}
    begins, ends = int(request["startTimeUnixNano"]), int(request["endTimeUnixNano"])
    assert all(each["traceId"] == TRACE for each in phases.values())
    for each in phases.values():
        assert begins <= int(each["startTimeUnixNano"]) < int(each["endTimeUnixNano"]) <= ends

    assert fresh.paths[-1] == "/v1/traces"
    assert fresh.resource["service.name"] == "mlx-gui"
    everything = b"".join(fresh.bodies)
    assert SECRET.encode() not in everything
    assert b"sk-secret" not in everything


def test_a_client_that_traces_nothing_gets_a_trace_of_its_own(
    server: Visitor, fresh: Collector
) -> None:
    for header in ("", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", "x" * 10_000):
        headers = {"traceparent": header}
        assert (
            server.client.post(
                "/v1/chat/completions", json=chat(ECHO, "Hi"), headers=headers
            ).status_code
            == 200
        )
    requests = fresh.requests(4)
    assert all("parentSpanId" not in each for each in requests)
    assert len({each["traceId"] for each in requests}) == 4


def test_what_its_client_does_not_sample_is_not_sent(server: Visitor, fresh: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    body = chat(ECHO, "Hi")
    assert server.client.post("/v1/chat/completions", json=body, headers=headers).status_code == 200
    assert server.ask(ECHO, "Hi").status_code == 200
    (request,) = fresh.requests(1)
    assert request["traceId"] != TRACE


def test_a_request_that_its_client_gives_up_is_no_error_of_ours(
    server: Visitor, fresh: Collector
) -> None:
    with server.stream(ECHO, ENDLESS) as stream:
        stream.text()
    (request,) = fresh.requests(1)
    assert request["attributes"]["mlx_gui.outcome"] == "cancelled"
    assert request["attributes"]["error.type"] == "cancelled"
    assert request.get("status", {}) == {}


def test_a_request_that_is_refused_says_why_and_nothing_of_what_it_asked(
    server: Visitor, fresh: Collector
) -> None:
    refused = server.ask(ECHO, f"{SECRET} " * 100_000)
    assert refused.status_code == 400
    (request,) = fresh.requests(1)
    assert request["attributes"]["error.type"] == refused.json()["error"]["code"]
    assert request["status"] == {"code": "STATUS_CODE_ERROR"}
    assert "gen_ai.usage.input_tokens" not in request["attributes"]
    assert not {"prefill", "decode"} & fresh.below(request).keys()
    assert SECRET.encode() not in b"".join(fresh.bodies)


def test_a_collector_is_changed_and_left_while_the_server_runs(tmp_path: Path) -> None:
    with Collector() as one, Collector() as other, visited_server(tmp_path) as server:

        def send_to(address: str) -> None:
            body = {"settings": {"otlp_endpoint": address}}
            server.client.patch("/v1/settings", json=body).raise_for_status()

        assert "mlx_gui_trace_spans" not in server.client.get("/metrics").text
        send_to(one.address)
        server.ask(ECHO, "Hi")
        send_to(other.address)
        server.ask(ECHO, "Hi")
        assert len(one.requests(1)) == len(other.requests(1)) == 1
        sent = 'mlx_gui_trace_spans_total{fate="sent"}'
        wait_until(
            lambda: (
                f"{sent} {len(one.spans) + len(other.spans)}.0"
                in server.client.get("/metrics").text
            ),
            what="the spans to be counted",
        )
        server.client.patch("/v1/settings", json={"settings": {"otlp_endpoint": None}})
        server.ask(ECHO, "Hi")
        assert server.server.stop() == 0
        assert len(one.requests(1)) == len(other.requests(1)) == 1


def test_a_collector_that_hangs_holds_up_neither_requests_nor_the_end(tmp_path: Path) -> None:
    with Collector() as collector:
        collector.answer = lambda _: collector.closing.wait(60) and None
        settings = {"otlp_endpoint": collector.address}
        with visited_server(tmp_path, settings=settings) as server:
            assert server.ask(ECHO, "Hi").status_code == 200
            wait_until(lambda: collector.bodies, what="the first trace to come")
            for _ in range(20):
                assert server.ask(ECHO, "Hi").status_code == 200
            began_s = time.monotonic()
            assert server.server.stop() == 0
            assert time.monotonic() - began_s < SOON_S
        assert '"event": "traces_dropped"' in server.server.log.read_text()
