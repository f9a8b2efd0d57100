"""`/v1/system/samples`: ranges, steps, gaps and what is refused."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlx_gui.api.manage.samples.translate import Steps, steps_of
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.store.samples import SAMPLES_FILE, ModelParts, Sample
from mlx_gui.wire.samples import SamplePoint, SampleSeries
from tests.unit.api.parts import application, config, services, serving

BEGIN_S = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
SAMPLE = Sample(BEGIN_S, 100, 60, 10, 80, 30, 1, 0, {"org/one": ModelParts(20, 6, 3, 1)})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[httpx.Client]:
    """A server that kept two samples, and none between them."""
    parts = services(config(tmp_path))
    for at_s in (BEGIN_S, BEGIN_S + 20):
        asyncio.run(parts.machine.samples.add(replace(SAMPLE, at_s=at_s)))
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        yield client
    parts.machine.samples.close()


def ask(server: httpx.Client, **query: Any) -> httpx.Response:
    return server.get("/v1/system/samples", params=query)


def series(answer: httpx.Response) -> SampleSeries:
    assert answer.status_code == 200, answer.text
    return SampleSeries.model_validate_json(answer.content)


def test_a_gap_is_null_and_not_zero(server: httpx.Client) -> None:
    query = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:30Z", "step": 10}
    shown = series(ask(server, **query))

    assert shown.step_s == 10
    assert [point.at for point in shown.points] == [
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:10.000Z",
        "2026-01-01T00:00:20.000Z",
    ]
    known, gap, _ = shown.points
    assert gap == SamplePoint(at=gap.at)
    assert (known.available_bytes, known.budget_bytes, known.active_requests) == (60, 80, 1)
    assert known.models is not None
    assert known.models["org/one"].weights_bytes == 20


def test_the_last_hour_is_shown_unless_asked_otherwise(server: httpx.Client) -> None:
    shown = series(ask(server))

    assert shown.step_s == 10
    assert len(shown.points) in (360, 361)
    assert {point.total_bytes for point in shown.points} == {None}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"step": 9}, "`step` should be greater than or equal to 10, not"),
        ({"step": -10}, "`step` should be greater than or equal to 10, not"),
        ({"step": 10**9}, "`step` should be less than or equal to 2592000"),
        ({"step": "often"}, "`step` should be a valid integer"),
        ({"from": "yesterday"}, "`from` "),
        ({"to": "2026-13-01T00:00:00Z"}, "`to` "),
        ({"from": "1950-01-01T00:00:00Z"}, "`from` should be after 1970"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "`from` should be before"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "`from` should be before"),
        ({"from": "2026-01-01", "to": "2026-01-02", "step": 10}, "8640 points are more than 2000"),
        ({"from": "1971-01-01", "to": "9999-12-31"}, "points are more than 2000"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(
    server: httpx.Client, query: dict[str, Any], words: str
) -> None:
    answer = ask(server, **query)

    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_the_step_that_a_refusal_names_is_taken(server: httpx.Client) -> None:
    query = {"from": "2026-01-01", "to": "2026-01-02"}
    refusal = ask(server, **query, step=10).json()["error"]
    assert "`step` of 44 s" in refusal["hint"]

    assert len(series(ask(server, **query, step=44)).points) <= 2000


def test_a_file_that_cannot_be_read_is_an_error_of_the_server(tmp_path: Path) -> None:
    (tmp_path / SAMPLES_FILE).mkdir()
    parts = services(config(tmp_path))
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        answer = ask(client)
    parts.machine.samples.close()

    assert answer.status_code == 500
    assert "cannot be read and written" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("range_s", "step_s"), [(300, 10), (3600, 10), (3601, 30), (86_400, 300), (7 * 86_400, 3600)]
)
def test_the_usual_step_suits_the_range(range_s: int, step_s: int) -> None:
    start = datetime.fromtimestamp(BEGIN_S, UTC)
    end = datetime.fromtimestamp(BEGIN_S + range_s, UTC)

    assert steps_of(start=start, end=end, step_s=None, now_s=0.0).step_s == step_s


def test_steps_cover_the_range_whole() -> None:
    start, end = (datetime.fromtimestamp(each, UTC) for each in (1_000_007, 1_000_095))

    assert steps_of(start=start, end=end, step_s=30, now_s=0.0) == Steps(999_990, 1_000_110, 30)


def test_a_time_without_a_zone_is_utc() -> None:
    steps = steps_of(start=datetime(2026, 1, 1), end=None, step_s=60, now_s=BEGIN_S + 60.0)

    assert steps == Steps(BEGIN_S, BEGIN_S + 60, 60)


def test_there_are_never_more_points_than_the_bound() -> None:
    start = datetime.fromtimestamp(BEGIN_S + 5, UTC)
    with pytest.raises(InvalidRequest, match="2001 points"):
        steps_of(start=start, end=None, step_s=10, now_s=BEGIN_S + 20_005.0)
