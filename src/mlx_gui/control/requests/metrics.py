"""Figures of requests and models in the text format that Prometheus reads.

Labels are endpoints of ours and ids of installed models, and of either only so many: whoever sends
requests makes no new ones without end.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from mlx_gui.core.request_record import RequestRecord

MOST_MODELS = 64
MOST_ENDPOINTS = 32
OTHER = "other"
"""Label of what came after those."""

_DURATIONS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class RequestMetrics:
    """Counts requests as their records come."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._models: set[str] = set()
        self._endpoints: set[str] = set()
        self._requests = Counter(
            "mlx_gui_requests",
            "Requests that have ended.",
            ("endpoint", "model", "outcome"),
            registry=self._registry,
        )
        self._tokens = Counter(
            "mlx_gui_tokens",
            "Tokens of prompts and answers; cached ones are some of the prompts', reasoning ones "
            "some of the answers'.",
            ("model", "use"),
            registry=self._registry,
        )
        self._total_s = self._duration("request", "From the arrival of a request to its end.")
        self._first_token_s = self._duration(
            "first_token", "From the arrival of a request to the first of its answer."
        )
        self._queued_s = self._duration(
            "queue", "That a request waited for its turn, without the load of its model."
        )
        self._load_s = self._duration(
            "load", "That a request waited for its model to be loaded, where it did."
        )

    def count(self, record: RequestRecord) -> None:
        """Take `record` into account."""
        model = _bounded(record.model, self._models, MOST_MODELS)
        endpoint = _bounded(record.endpoint, self._endpoints, MOST_ENDPOINTS)
        phases, tokens = record.phases, record.tokens
        self._requests.labels(endpoint, model, record.outcome).inc()
        self._total_s.labels(model).observe(phases.total_ms / 1000)
        self._queued_s.labels(model).observe(phases.queued_ms / 1000)
        if phases.load_ms:
            self._load_s.labels(model).observe(phases.load_ms / 1000)
        if phases.first_token_ms is not None:
            self._first_token_s.labels(model).observe(phases.first_token_ms / 1000)
        if tokens is not None:
            self._tokens.labels(model, "prompt").inc(tokens.prompt)
            self._tokens.labels(model, "cached").inc(tokens.cached)
            self._tokens.labels(model, "completion").inc(tokens.completion)
            self._tokens.labels(model, "reasoning").inc(tokens.reasoning)

    def exposition(self, moment: Iterable[Metric]) -> bytes:
        """All that was counted, and the figures of this `moment`, as Prometheus reads them."""
        return generate_latest(_Together(self._registry, moment))

    def _duration(self, what: str, help: str) -> Histogram:
        return Histogram(
            f"mlx_gui_{what}_duration_seconds",
            help,
            ("model",),
            registry=self._registry,
            buckets=_DURATIONS_S,
        )


class _Together(Collector):
    """The figures of one moment, beside those that were counted."""

    def __init__(self, counted: CollectorRegistry, moment: Iterable[Metric]) -> None:
        self._counted = counted
        self._moment = tuple(moment)

    def collect(self) -> Iterable[Metric]:
        yield from self._counted.collect()
        yield from self._moment


def _bounded(value: str, known: set[str], most: int) -> str:
    """`value` if it is one of the first `most`."""
    if value in known:
        return value
    if len(known) >= most:
        return OTHER
    known.add(value)
    return value
