"""What a server knows of requests: those under way, the records of others, and figures of all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from mlx_gui.bus import EventBus
from mlx_gui.control.requests.metrics import RequestMetrics
from mlx_gui.control.requests.records import RequestRecords
from mlx_gui.control.requests.tracing import Tracing
from mlx_gui.control.requests.tracking import LoadSpan, RequestTracker
from mlx_gui.store.requests import Bounds, RequestStore


@dataclass(frozen=True, slots=True)
class Requests:
    """One instance a server. The `tracker` is the observer that all of it comes from."""

    tracker: RequestTracker
    records: RequestRecords
    metrics: RequestMetrics
    tracing: Tracing

    @classmethod
    def of(
        cls,
        data_dir: Path,
        *,
        bounds: Callable[[], Bounds],
        last_load: Callable[[str], LoadSpan | None],
        collector: Callable[[], str | None],
        bus: EventBus,
    ) -> Self:
        """Those whose records are in `data_dir`; what changes is published as `requests`.

        `collector` is as in `Tracing`.
        """
        publish = partial(bus.publish, "requests")
        records = RequestRecords(RequestStore(data_dir), bounds=bounds, on_kept=publish)
        metrics = RequestMetrics()
        tracing = Tracing(collector)
        tracker = RequestTracker(
            (records.keep, metrics.count),
            trace=tracing.note,
            last_load=last_load,
            on_change=publish,
        )
        return cls(tracker, records, metrics, tracing)
