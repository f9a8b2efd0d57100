"""A request's record says when it moved on, and is made exactly once."""

from dataclasses import dataclass, field, replace

import pytest

from mlx_gui.control.requests.observing import RequestObserver
from mlx_gui.control.requests.progress import Progress, TokensMade
from mlx_gui.control.requests.tracking import LoadSpan, RequestTracker
from mlx_gui.core.ask import Ask, RequestEnd
from mlx_gui.core.errors import ErrorInfo
from mlx_gui.core.generation import Delta, GenerateRequest, Prefill, Prepared, Usage
from mlx_gui.core.request_record import RequestRecord, TokenCounts

ASK = Ask(
    id="chatcmpl-1",
    request=GenerateRequest(prompt="A secret."),
    needs="chat",
    request_id="asked-1",
    endpoint="/v1/chat/completions",
    client="curl/8",
    tenant="other",
    key_id="key-1",
)
USAGE = Usage(30, 20, cached_tokens=10, prefill_ms=400.04, decode_ms=550, reasoning_tokens=5)


@dataclass
class Clock:
    """Both clocks at once, as the test turns them."""

    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s + 1_700_000_000


@dataclass
class Desk:
    """A tracker, what came of it, and the clock."""

    clock: Clock
    records: list[RequestRecord] = field(default_factory=list[RequestRecord])
    traced: list[tuple[RequestRecord, Ask]] = field(default_factory=list[tuple[RequestRecord, Ask]])
    changes: list[float] = field(default_factory=list[float])
    load: LoadSpan | None = None

    def __post_init__(self) -> None:
        self.tracker = RequestTracker(
            [self.records.append],
            trace=lambda record, ask: self.traced.append((record, ask)),
            last_load=lambda _: self.load,
            on_change=lambda: self.changes.append(self.clock.now_s),
        )

    def after(self, seconds: float) -> RequestObserver:
        self.clock.now_s += seconds
        return self.tracker


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    clock = Clock()
    monkeypatch.setattr("mlx_gui.control.requests.tracking.time", clock)
    return Desk(clock)


def test_a_request_is_followed_from_its_arrival_to_its_end(desk: Desk) -> None:
    desk.load = (1001.0, 1004.0)
    desk.tracker.submitted(ASK, "org/one")
    assert [each.state for each in desk.tracker.running()] == ["queued"]
    desk.after(5).granted(ASK)
    assert [each.state for each in desk.tracker.running()] == ["running"]
    desk.after(1).begun(ASK)
    desk.after(1).begun(ASK)
    desk.after(2).ended(ASK, RequestEnd("finished", USAGE))

    assert desk.tracker.running() == []
    (record,) = desk.records
    assert (record.id, record.request_id, record.model) == ("chatcmpl-1", "asked-1", "org/one")
    assert (record.endpoint, record.client) == ("/v1/chat/completions", "curl/8")
    assert (record.tenant, record.key_id, record.outcome) == ("other", "key-1", "finished")
    assert record.ended_at - record.submitted_at == 9
    assert record.tokens == TokenCounts(prompt=30, cached=10, completion=20, reasoning=5)
    phases = record.phases
    assert (phases.total_ms, phases.queued_ms, phases.load_ms) == (9000, 2000, 3000)
    assert (phases.first_token_ms, phases.prefill_ms, phases.decode_ms) == (6000, 400, 550)
    assert desk.traced == [(record, ASK)]
    assert len(desk.changes) == 3


def test_a_request_that_never_got_a_worker_waited_all_the_time(desk: Desk) -> None:
    desk.tracker.submitted(ASK, "org/one")
    error = ErrorInfo("queue_timeout", "It waited 8 s.")
    desk.after(8).ended(ASK, RequestEnd("refused", error=error))

    (record,) = desk.records
    assert (record.phases.queued_ms, record.phases.total_ms) == (8000, 8000)
    assert (record.phases.first_token_ms, record.phases.decode_ms) == (None, None)
    assert (record.error_code, record.error_message) == ("queue_timeout", "It waited 8 s.")
    assert record.tokens is None


@pytest.mark.parametrize(
    ("load", "load_ms"),
    [
        ((900.0, 999.0), 0),
        ((990.0, 1002.0), 2000),
        ((1001.0, float("inf")), 3000),
        ((1006.0, 1009.0), 0),
    ],
)
def test_only_what_a_load_took_of_the_wait_counts_as_the_load(
    desk: Desk, load: LoadSpan, load_ms: float
) -> None:
    desk.load = load
    desk.tracker.submitted(ASK, "org/one")
    desk.after(4).granted(ASK)
    desk.after(6).ended(ASK, RequestEnd("finished", USAGE))

    phases = desk.records[0].phases
    assert (phases.load_ms, phases.queued_ms) == (load_ms, 4000 - load_ms)


def test_a_request_whose_client_hung_up_has_its_tokens(desk: Desk) -> None:
    desk.tracker.submitted(ASK, "org/one")
    desk.tracker.granted(ASK)
    desk.after(1).ended(ASK, RequestEnd("cancelled", USAGE))

    assert desk.records[0].outcome == "cancelled"
    assert desk.records[0].tokens is not None


def test_an_end_that_is_told_twice_or_of_nobody_makes_no_second_record(desk: Desk) -> None:
    desk.tracker.submitted(ASK, "org/one")
    for _ in range(2):
        desk.tracker.ended(ASK, RequestEnd("finished", USAGE))
    desk.tracker.granted(ASK)
    desk.tracker.begun(replace(ASK, id="chatcmpl-2"))
    desk.tracker.ended(replace(ASK, id="chatcmpl-2"), RequestEnd("finished", USAGE))

    assert len(desk.records) == 1


def test_a_request_that_another_worker_takes_up_waited_until_then(desk: Desk) -> None:
    desk.tracker.submitted(ASK, "org/one")
    desk.after(1).granted(ASK)
    desk.after(3).granted(ASK)
    desk.after(1).ended(ASK, RequestEnd("finished", USAGE))

    assert desk.records[0].phases.queued_ms == 4000


def test_texts_of_clients_are_bounded_and_can_be_kept(desk: Desk) -> None:
    ask = replace(ASK, client="\ud800" + "x" * 10_000)
    desk.tracker.submitted(ask, "org/one")
    error = ErrorInfo("invalid_request", "\udfff" * 10_000)
    desk.tracker.ended(ask, RequestEnd("refused", error=error))

    (record,) = desk.records
    assert record.client == "?" + "x" * 499
    assert record.error_message == "?" * 500


def test_a_request_is_found_by_either_of_its_ids(desk: Desk) -> None:
    for number in (1, 2):
        desk.tracker.submitted(replace(ASK, id=f"chatcmpl-{number}"), "org/one")

    found = [desk.tracker.find(name) for name in ("chatcmpl-1", "asked-1", "unheard-of")]
    assert [each and each.ask.id for each in found] == ["chatcmpl-1", "chatcmpl-2", None]


def test_nothing_of_a_prompt_is_in_a_record(desk: Desk) -> None:
    desk.tracker.submitted(ASK, "org/one")
    desk.tracker.ended(ASK, RequestEnd("finished", USAGE))

    assert "A secret." not in repr(desk.records[0])


def test_tokens_are_counted_as_they_come_and_reused_ones_are_not(desk: Desk) -> None:
    tracker = desk.tracker
    tracker.submitted(ASK, "org/one")
    tracker.advanced(ASK, [Prepared(30)])
    tracker.advanced(ASK, [Prefill(18, 30, cached=10)])
    assert tracker.meter.take() == {"org/one": TokensMade(8, 0)}
    tracker.advanced(ASK, [Prefill(30, 30, cached=10), Delta(0, "a b", token_count=2)])
    (running,) = tracker.running()
    assert running.progress == Progress(prompt=30, read=30, cached=10, written=2)
    assert tracker.meter.take() == {"org/one": TokensMade(12, 2)}
    assert tracker.meter.take() == {}


def test_the_end_of_a_request_brings_what_no_event_told_of_and_nothing_twice(desk: Desk) -> None:
    other = replace(ASK, id="chatcmpl-2")
    for ask, model in ((ASK, "org/one"), (other, "org/two")):
        desk.tracker.submitted(ask, model)
    desk.tracker.advanced(ASK, [Prefill(30, 30, cached=10), Delta(0, "x", token_count=19)])
    for ask in (ASK, other):
        desk.tracker.ended(ask, RequestEnd("finished", USAGE))
    desk.tracker.advanced(ASK, [Delta(0, "late")])

    assert desk.tracker.meter.take() == {
        "org/one": TokensMade(20, 20),
        "org/two": TokensMade(20, 20),
    }


def test_a_prompt_that_another_worker_reads_again_is_counted_again(desk: Desk) -> None:
    desk.tracker.submitted(ASK, "org/one")
    desk.tracker.advanced(ASK, [Prefill(20, 30)])
    desk.tracker.advanced(ASK, [Prefill(15, 30)])

    assert desk.tracker.meter.take() == {"org/one": TokensMade(35, 0)}
