"""Figures are what was counted, and no client makes labels without end."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlx_gui.control.requests.metrics import MOST_ENDPOINTS, MOST_MODELS, RequestMetrics
from mlx_gui.core.request_record import Phases
from tests.unit.store.test_requests import ONE, REFUSED


def figures(metrics: RequestMetrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels."""
    text = metrics.exposition(()).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_requests_are_counted_by_endpoint_model_and_outcome() -> None:
    metrics = RequestMetrics()
    for record in (ONE, ONE, REFUSED):
        metrics.count(record)

    found = figures(metrics)
    total = "mlx_gui_requests_total"
    assert found[total, ("/v1/chat/completions", "org/one", "finished")] == 2
    assert found[total, ("/v1/messages", "org/two", "refused")] == 1


def test_tokens_are_counted_by_their_use() -> None:
    metrics = RequestMetrics()
    for record in (ONE, ONE, REFUSED):
        metrics.count(record)

    found = figures(metrics)
    counts = {
        labels[1]: value
        for (name, labels), value in found.items()
        if name == "mlx_gui_tokens_total"
    }
    assert counts == {"prompt": 60, "cached": 20, "completion": 40, "reasoning": 10}


def test_durations_are_in_seconds() -> None:
    metrics = RequestMetrics()
    metrics.count(ONE)
    metrics.count(replace(ONE, phases=Phases(500.0, queued_ms=20.0)))

    found = figures(metrics)
    assert found["mlx_gui_request_duration_seconds_sum", ("org/one",)] == 2.5
    assert found["mlx_gui_request_duration_seconds_count", ("org/one",)] == 2
    assert found["mlx_gui_queue_duration_seconds_sum", ("org/one",)] == pytest.approx(0.12)
    # Who waited for no load and got no token is not counted as quick.
    assert found["mlx_gui_load_duration_seconds_count", ("org/one",)] == 1
    assert found["mlx_gui_first_token_duration_seconds_count", ("org/one",)] == 1
    assert found["mlx_gui_request_duration_seconds_bucket", ("0.5", "org/one")] == 1


def test_thousands_of_names_make_no_thousands_of_labels() -> None:
    metrics = RequestMetrics()
    for number in range(2_000):
        metrics.count(replace(ONE, model=f"org/{number}", endpoint=f"/v1/{number}"))

    requests = {
        labels: value
        for (name, labels), value in figures(metrics).items()
        if name == "mlx_gui_requests_total"
    }
    assert len({model for _, model, _ in requests}) == MOST_MODELS + 1
    assert len({endpoint for endpoint, _, _ in requests}) == MOST_ENDPOINTS + 1
    assert requests["other", "other", "finished"] == 2_000 - MOST_MODELS
    assert sum(requests.values()) == 2_000
