"""What is in the trace of a request, and what becomes of traces that nobody takes."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from mlx_gui.config import SettingsError, resolve
from mlx_gui.control.requests import tracing
from mlx_gui.control.requests.otlp import OtlpExporter
from mlx_gui.control.requests.trace_sender import MOST_WAITING, SpanCounts, TraceSender
from mlx_gui.control.requests.traces import Trace, TraceSpan, trace_of
from mlx_gui.control.requests.tracing import Tracing, collector_of
from mlx_gui.control.settings.check import SettingsCheck
from mlx_gui.core.ask import Ask
from mlx_gui.core.errors import Conflict
from mlx_gui.core.generation import GenerateRequest
from mlx_gui.core.model import Capability
from mlx_gui.core.request_record import Phases
from tests.support.collector import Collector, taken
from tests.unit.store.test_requests import ONE, REFUSED

DEADLINE_S = 20
ASK = Ask(
    id=ONE.id,
    request=GenerateRequest(prompt="A secret."),
    needs="chat",
    key_id="key-1",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
TRACE = trace_of(ONE, ASK)


def times_ms(trace: Trace) -> dict[str, tuple[float, float]]:
    """When each phase began and ended, counted from the request's arrival."""
    start_ns = trace.request.start_ns
    return {
        each.name: ((each.start_ns - start_ns) / 1e6, (each.end_ns - start_ns) / 1e6)
        for each in trace.phases
    }


def test_the_phases_follow_each_other_as_they_were() -> None:
    assert TRACE.request.end_ns - TRACE.request.start_ns == 2_000_000_000
    assert times_ms(TRACE) == {
        "queue": (0, 100),
        "load": (100, 1000),
        "prefill": (1100, 1500),
        "decode": (1500, 2000),
    }


@pytest.mark.parametrize(
    ("phases", "names"),
    [
        (Phases(3.0, 3.0), ["queue"]),
        (Phases(0.0), []),
        (
            Phases(100.0, 10.0, first_token_ms=5.0, prefill_ms=500, decode_ms=500),
            ["queue", "decode"],
        ),
        (Phases(100.0, 10.0, prefill_ms=40.0, decode_ms=0.0), ["queue", "prefill"]),
        (Phases(1.0, 9.0, 9.0, 9.0, 9.0, 9.0), ["queue"]),
    ],
)
def test_no_phase_is_outside_of_its_request(phases: Phases, names: list[str]) -> None:
    trace = trace_of(replace(ONE, phases=phases), ASK)
    assert [each.name for each in trace.phases] == names
    for begins_ms, ends_ms in times_ms(trace).values():
        assert 0 <= begins_ms < ends_ms <= phases.total_ms


def test_a_trace_has_nothing_of_prompts_keys_and_errors_words() -> None:
    trace = trace_of(REFUSED, ASK)
    assert trace.went_wrong
    assert trace.request.attributes["error.type"] == "queue_full"
    told = repr(trace)
    assert not any(word in told for word in ("A secret.", "key-1", "8 requests wait"))


@pytest.mark.parametrize(
    ("needs", "operation"),
    [
        ("chat", "chat"),
        ("completion", "text_completion"),
        ("embedding", "embeddings"),
        ("speech", "speech"),
    ],
)
def test_operations_are_named_as_the_conventions_name_them(
    needs: Capability, operation: str
) -> None:
    request = trace_of(ONE, replace(ASK, needs=needs)).request
    assert request.attributes["gen_ai.operation.name"] == operation
    assert request.name == f"{operation} org/one"


class Bringer:
    """An exporter that waits for the test."""

    def __init__(self) -> None:
        self.brought: list[Trace] = []
        self.problem: str | None = None
        self.called = threading.Event()
        self.go_on = threading.Event()
        self.given_up = threading.Event()

    def send(self, traces: Sequence[Trace]) -> str | None:
        self.called.set()
        assert self.go_on.wait(DEADLINE_S)
        self.brought += traces
        return self.problem

    def give_up(self) -> None:
        self.given_up.set()


def begun(open_exporter: Callable[[], Bringer]) -> tuple[TraceSender, SpanCounts]:
    counts = SpanCounts()
    sender = TraceSender(open_exporter, counts)
    sender.start()
    return sender, counts


def test_only_so_many_wait_for_a_collector_and_the_others_are_counted() -> None:
    bringer = Bringer()
    sender, counts = begun(lambda: bringer)
    sender.put(TRACE)
    assert bringer.called.wait(DEADLINE_S)
    for number in range(MOST_WAITING + 10):
        sender.put(replace(TRACE, traceparent=str(number)))
    assert counts.dropped == 10 * TRACE.spans

    bringer.go_on.set()
    sender.finish()
    sender.join(DEADLINE_S)
    assert not sender.is_alive()
    assert [each.traceparent for each in bringer.brought[1:]] == [
        str(number) for number in range(10, MOST_WAITING + 10)
    ]
    assert counts.sent == (MOST_WAITING + 1) * TRACE.spans


def test_who_gives_up_counts_what_is_under_way_and_what_waits_and_once_each() -> None:
    bringer = Bringer()
    sender, counts = begun(lambda: bringer)
    sender.put(TRACE)
    assert bringer.called.wait(DEADLINE_S)
    sender.put(TRACE)
    sender.finish()
    assert sender.give_up() == 2 * TRACE.spans
    assert bringer.given_up.is_set()
    bringer.problem = "it was given up"
    bringer.go_on.set()
    sender.join(DEADLINE_S)
    assert (counts.sent, counts.dropped) == (0, 2 * TRACE.spans)
    sender.put(TRACE)
    assert counts.dropped == 3 * TRACE.spans


def test_a_collector_that_takes_nothing_is_told_of_once_until_it_does_again() -> None:
    bringer = Bringer()
    bringer.go_on.set()
    with capture_logs() as logs:
        sender, counts = begun(lambda: bringer)
        for problem in ("gone", "gone", None, None, "gone"):
            bringer.called.clear()
            bringer.problem = problem
            told = counts.sent + counts.dropped
            sender.put(TRACE)
            assert bringer.called.wait(DEADLINE_S)
            deadline_s = time.monotonic() + DEADLINE_S
            while counts.sent + counts.dropped == told and time.monotonic() < deadline_s:
                time.sleep(0.01)
        sender.finish()
        sender.join(DEADLINE_S)
    events = [each["event"] for each in logs]
    assert events == ["traces_not_sent", "traces_sent_again", "traces_not_sent"]
    assert (counts.sent, counts.dropped) == (2 * TRACE.spans, 3 * TRACE.spans)


def test_an_exporter_that_cannot_be_made_is_told_of_and_keeps_nothing() -> None:
    def fail() -> Bringer:
        raise ValueError("OTEL_TRACES_SAMPLER is no sampler")

    with capture_logs() as logs:
        sender, counts = begun(fail)
        sender.join(DEADLINE_S)
    assert "OTEL_TRACES_SAMPLER" in logs[0]["reason"]
    sender.put(TRACE)
    assert counts.dropped == TRACE.spans


def redirected(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("location", "http://127.0.0.1:9/elsewhere")
    handler.send_header("content-length", "0")
    handler.end_headers()


def failing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(500)
    handler.send_header("set-cookie", "kept=yes")
    handler.send_header("content-length", "0")
    handler.end_headers()


def busy(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(503)
    handler.send_header("retry-after", "100000")
    handler.send_header("content-length", "0")
    handler.end_headers()


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\xff" * 1000)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (redirected, "it answers 302"),
        (failing, "it answers 500"),
        (busy, "it answers 503"),
        (no_http, "ConnectionError"),
    ],
)
def test_a_collector_that_answers_otherwise_is_not_believed(
    answer: Callable[[BaseHTTPRequestHandler], None], reason: str
) -> None:
    with Collector(answer) as collector:
        exporter = OtlpExporter(collector.address)
        problem = exporter.send([TRACE])
        assert problem is not None
        assert collector.address in problem
        assert reason in problem
        collector.answer = taken
        assert exporter.send([TRACE]) is None
        assert "cookie" not in collector.headers[-1]


def test_an_answer_without_an_end_is_not_read() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not collector.closing.is_set():
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            ended.set()

    ended = threading.Event()
    with Collector(endless) as collector:
        assert OtlpExporter(collector.address).send([TRACE]) is None
        assert ended.wait(DEADLINE_S)


def test_a_collector_that_is_gone_is_named_within_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with Collector() as collector:
        address = collector.address
    problem = OtlpExporter(address).send([TRACE])
    assert problem == f"{address} takes no traces: ConnectionError"


def test_opentelemetrys_own_variables_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=ours")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-models")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Collector() as collector:
        assert OtlpExporter(f"{collector.address}/v1/traces").send([TRACE]) is None
        assert collector.paths == ["/v1/traces"]
        assert collector.headers[0]["x-team"] == "ours"
        assert collector.resource["service.name"] == "our-models"
        assert len(collector.spans) == TRACE.spans


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_PARTS", ("opentelemetry.nothing.like_it",))
    address: str | None = "http://127.0.0.1:4318"
    traces = Tracing(lambda: address)
    with capture_logs() as logs:
        traces.look()
        traces.look()
        traces.note(ONE, ASK)
    (line,) = logs
    assert "pip install 'mlx-gui[otel]'" in line["reason"]
    assert traces.counts is None
    asyncio.run(traces.close())


@pytest.mark.parametrize(
    ("address", "offline", "collector"),
    [
        ("off", False, None),
        ("https://collector.example/otlp/", False, "https://collector.example/otlp"),
        ("https://collector.example", True, None),
        ("http://localhost:4318", True, "http://localhost:4318"),
        ("http://127.0.0.1:4318", True, "http://127.0.0.1:4318"),
        ("http://[::1]:4318", True, "http://[::1]:4318"),
        ("http://127.0.0.1.example", True, None),
    ],
)
def test_which_collector_gets_traces(address: str, offline: bool, collector: str | None) -> None:
    config = resolve(flags={"otlp_endpoint": address, "offline": offline}, environment={})
    assert collector_of(config) == collector


def test_a_span_without_words_is_one() -> None:
    with Collector() as collector:
        bare = Trace(TraceSpan("chat ", 1, 2), (), traceparent="", went_wrong=False)
        assert OtlpExporter(collector.address).send([bare]) is None
        assert len(collector.spans) == 1


def test_without_the_extra_a_collector_is_refused_where_it_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = resolve(flags={}, environment={})
    after = resolve(flags={"otlp_endpoint": "http://127.0.0.1:4318"}, environment={})
    unused = cast(Any, None)
    check = SettingsCheck(
        unused,
        tuple,
        find=unused,
        device=unused,
        templates=unused,
        run_loop=unused,
        config=lambda: before,
    )
    asyncio.run(check.of_server(after))
    monkeypatch.setattr(tracing, "_PARTS", ("opentelemetry.nothing.like_it",))
    with pytest.raises(Conflict) as refused:
        asyncio.run(check.of_server(after))
    assert "pip install 'mlx-gui[otel]'" in refused.value.hint
    asyncio.run(replace(check, config=lambda: after).of_server(after))


@pytest.mark.parametrize(
    "address", ["collector:4318", "grpc://a.test", "http://me:word@a.test", ""]
)
def test_what_no_collector_can_be_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="otlp_endpoint on the command line is"):
        resolve(flags={"otlp_endpoint": address}, environment={})
