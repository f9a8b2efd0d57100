"""The figures of one moment, as Prometheus has them."""

from collections.abc import Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from mlx_gui.control.requests.trace_sender import SpanCounts
from mlx_gui.control.residency.views import ResidencySnapshot
from mlx_gui.wire.status import MemoryStatus


def moment_of(
    snapshot: ResidencySnapshot, memory: MemoryStatus, *, spans: SpanCounts | None, version: str
) -> list[Metric]:
    """What is loaded, who waits, what memory is taken, and what became of `spans` of traces."""
    views = snapshot.models.values()
    loaded = [view for view in views if view.pid is not None]
    waited_for = [view for view in views if view.pid is not None or view.queued]
    return [
        _gauge("build_info", "The version of the server.", {(version,): 1}, ("version",)),
        _gauge("loaded_models", "Models that have a worker.", {(): len(loaded)}),
        _gauge(
            "running_requests",
            "Requests that a worker has.",
            {(view.model_id,): view.active for view in loaded},
            ("model",),
        ),
        _gauge(
            "queued_requests",
            "Requests that wait for a worker.",
            {(view.model_id,): view.queued for view in waited_for},
            ("model",),
        ),
        _gauge(
            "model_memory_bytes",
            "Memory that a loaded model takes.",
            {
                (segment.model_id, part): value
                for segment in memory.segments
                for part, value in {
                    "weights": segment.weights_bytes,
                    "kv": segment.kv_bytes,
                    "prefix": segment.prefix_bytes,
                    "other": segment.other_bytes,
                }.items()
            },
            ("model", "part"),
        ),
        _gauge("memory_budget_bytes", "What models may use now.", {(): memory.budget_bytes}),
        _gauge("memory_total_bytes", "The machine's memory.", {(): memory.total_bytes}),
        _gauge("memory_available_bytes", "What of it is free.", {(): memory.available_bytes}),
        *(() if spans is None else (_spans(spans),)),
    ]


def _spans(counts: SpanCounts) -> Metric:
    family = CounterMetricFamily(
        "mlx_gui_trace_spans",
        "Spans of traces: those that the collector took, and those that were dropped.",
        labels=("fate",),
    )
    family.add_metric(("sent",), counts.sent)
    family.add_metric(("dropped",), counts.dropped)
    return family


def _gauge(
    name: str, help: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...] = ()
) -> Metric:
    family = GaugeMetricFamily(f"mlx_gui_{name}", help, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family
