"""`/v1/metrics/history`: columns in equal steps, gaps, marks, figures of requests; bad ranges."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlx_gui.control.machine.history import SampleHistory
from mlx_gui.control.machine.recent import RecentSamples
from mlx_gui.core.chart_mark import ChartMark
from mlx_gui.core.request_record import Phases, RequestRecord, TokenCounts
from mlx_gui.store.requests import REQUESTS_FILE, Bounds, RequestStore
from mlx_gui.store.samples import SAMPLES_FILE, ModelParts, Sample
from mlx_gui.wire.history import HistoryBody
from tests.unit.api.parts import application, config, services, serving
from tests.unit.api.test_manage import events

BEGIN_S = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
ONE = ModelParts(20, 6, 3, 1, prompt_tokens=400, output_tokens=90)
SAMPLE = Sample(BEGIN_S, 100, 60, 10, 80, 30, 2, 1, {"org/one": ONE}, 10, 0.25)
RECORD = RequestRecord(
    id="chatcmpl-1",
    request_id="asked-1",
    endpoint="/v1/chat/completions",
    model="org/one",
    tenant="local",
    key_id=None,
    client="curl/8",
    submitted_at=BEGIN_S + 1,
    ended_at=BEGIN_S + 5,
    outcome="finished",
    phases=Phases(4000.0, first_token_ms=1500.0, prefill_ms=400.0, decode_ms=2000.0),
    tokens=TokenCounts(prompt=40, cached=10, completion=80, reasoning=0),
)
RANGE = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:30Z", "step": 10}


async def fill(folder: Path) -> None:
    parts = services(config(folder))
    load = ChartMark(BEGIN_S + 2.5, "load", "org/one", None, "asked for")
    await parts.machine.samples.add(SAMPLE, [load, ChartMark(BEGIN_S + 400, "start")])
    await parts.machine.samples.add(replace(SAMPLE, at_s=BEGIN_S + 20, models={}, cpu_share=None))
    parts.machine.samples.close()
    records = RequestStore(folder)
    failed = replace(RECORD, outcome="failed", tokens=None, phases=Phases(5.0), error_code="x")
    bounds = Bounds(rows=1000, days=30)
    await records.add([RECORD, failed], bounds=bounds, now_s=BEGIN_S + 10)
    records.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("data")
    asyncio.run(fill(folder))
    parts = services(config(folder, requests_retention_days=3650))
    recent = RecentSamples(lambda: replace(SAMPLE, at_s=BEGIN_S - 3600), on_look=lambda: None)
    recent.look()
    history = SampleHistory(parts.machine.samples, recent, waiting=tuple)
    parts = replace(parts, machine=replace(parts.machine, history=history))
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        yield client
    parts.machine.samples.close()


def ask(server: httpx.Client, **query: Any) -> httpx.Response:
    return server.get("/v1/metrics/history", params=query)


def history(server: httpx.Client, **query: Any) -> HistoryBody:
    answer = ask(server, **query)
    assert answer.status_code == 200, answer.text
    return HistoryBody.model_validate_json(answer.content)


def test_rates_are_tokens_a_second_and_a_gap_is_null_and_not_zero(server: httpx.Client) -> None:
    shown = history(server, **RANGE)

    assert (shown.start, shown.step_s, shown.steps) == ("2026-01-01T00:00:00.000Z", 10, 3)
    series = shown.series
    assert series.output_tokens_per_s == [9.0, None, 0.0]
    assert series.prompt_tokens_per_s == [40.0, None, 0.0]
    assert series.active_requests == [2, None, 2]
    assert series.cache_bytes == [9, None, 0]
    assert series.cpu_share == [0.25, None, None]
    assert series.first_token_p50_ms == [1500.0, None, None]
    assert {len(column) for column in series.model_dump().values()} == {3}


def test_each_model_has_its_rate_and_its_figures(server: httpx.Client) -> None:
    shown = history(server, **RANGE)

    (one,) = shown.models
    assert (one.id, one.output_tokens_per_s) == ("org/one", [9.0, None, 0.0])
    assert (one.requests, one.failed, one.loads) == (2, 1, 1)
    assert (one.prompt_tokens, one.cached_tokens, one.output_tokens) == (40, 10, 80)
    assert one.answer_tokens_per_s is not None
    assert (one.answer_tokens_per_s.p50, one.answer_tokens_per_s.p95) == (40.0, 40.0)
    assert (shown.totals.requests, shown.totals.failed, shown.totals.cache_hit) == (2, 1, 0.25)
    assert shown.totals.failed_last_hour == 0
    assert shown.records


def test_marks_of_the_range_are_told_with_their_reason(server: httpx.Client) -> None:
    (mark,) = history(server, **RANGE).marks

    assert (mark.kind, mark.model, mark.text) == ("load", "org/one", "asked for")
    assert mark.at == "2026-01-01T00:00:02.500Z"


def test_a_finer_step_than_is_kept_has_the_rate_of_its_sample(server: httpx.Client) -> None:
    query = RANGE | {"to": "2026-01-01T00:00:12Z", "step": 1}

    assert history(server, **query).series.output_tokens_per_s == [9.0] * 10 + [None] * 2


def test_the_last_second_is_told_to_whoever_follows(server: httpx.Client) -> None:
    with server.stream("GET", "/v1/events?topics=metrics") as stream:
        told = events(stream.iter_lines())
        names = [next(told)[0], (snapshot := next(told))[0]]

    assert names == ["hello", "snapshot"]
    assert snapshot[2]["metrics"] == {
        "at": "2025-12-31T23:00:00.000Z",
        "prompt_tokens_per_s": 400.0,
        "output_tokens_per_s": 90.0,
        "active_requests": 2,
        "queued_requests": 1,
    }


def test_a_range_in_which_nothing_was_is_all_gaps(server: httpx.Client) -> None:
    shown = history(server, **{"from": "2025-01-01", "to": "2025-01-02"})

    assert (shown.step_s, shown.steps, shown.models, shown.marks) == (300, 288, [], [])
    assert {each for column in shown.series.model_dump().values() for each in column} == {None}
    assert (shown.totals.requests, shown.totals.cache_hit) == (0, None)


@pytest.mark.parametrize(
    ("range_s", "step_s"), [(300, 1), (3600, 10), (21_600, 60), (604_800, 1800)]
)
def test_the_usual_step_suits_the_range(server: httpx.Client, range_s: int, step_s: int) -> None:
    end = datetime.fromtimestamp(BEGIN_S + range_s, UTC).isoformat()

    assert history(server, **{"from": "2026-01-01", "to": end}).step_s == step_s


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"step": 0}, "`step` should be greater than or equal to 1"),
        ({"step": "often"}, "`step` should be a valid integer"),
        ({"from": "yesterday"}, "`from` "),
        ({"from": "1950-01-01T00:00:00Z"}, "`from` should be after 1970"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "`from` should be before"),
        ({"from": "2026-01-01", "to": "2026-01-02", "step": 1}, "86400 points are more than 2000"),
        ({"from": "1971-01-01", "to": "9999-12-31"}, "points are more than 2000"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(
    server: httpx.Client, query: dict[str, Any], words: str
) -> None:
    answer = ask(server, **query)

    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", [SAMPLES_FILE, REQUESTS_FILE])
def test_a_file_that_cannot_be_read_is_an_error_of_the_server(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    parts = services(config(tmp_path))
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        answer = ask(client)
    parts.machine.samples.close()

    assert answer.status_code == 500
    assert "cannot be read and written" in answer.json()["error"]["message"]
