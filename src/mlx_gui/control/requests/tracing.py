"""Whether requests are traced, and where to: one trace each, to the collector that is set."""

import asyncio
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import structlog

from mlx_gui.config import Config
from mlx_gui.control.requests.trace_sender import Exporter, SpanCounts, TraceSender
from mlx_gui.control.requests.traces import trace_of
from mlx_gui.core.ask import Ask
from mlx_gui.core.network import is_here
from mlx_gui.core.request_record import RequestRecord

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

NOT_INSTALLED = "OpenTelemetry, which sends traces, is not installed."
EXTRA_HINT = "Install it with the extra where the server is: pip install 'mlx-gui[otel]'"

_PARTS = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_LAST_S = 2.0
"""Time that a collector gets when the server stops."""


def collector_of(config: Config) -> str | None:
    """The address of the collector; None without one, and where the network is not to be used."""
    address = config.otlp_endpoint
    if address == "off" or (config.offline and not is_here(address)):
        return None
    return address


def can_trace() -> bool:
    """Whether the extra is installed. Imports nothing of it."""
    try:
        return all(find_spec(part) is not None for part in _PARTS)
    except ModuleNotFoundError:
        return False


class Tracing:
    """One instance a server. Belongs to the event loop; what waits or imports is in a thread.

    `collector` says where traces go now, None that there are none.
    """

    def __init__(self, collector: Callable[[], str | None]) -> None:
        self._collector = collector
        self._address: str | None = None
        self._sender: TraceSender | None = None
        self._counts = SpanCounts()

    @property
    def counts(self) -> SpanCounts | None:
        """What became of spans; None where none are made."""
        return None if self._sender is None else self._counts

    def look(self) -> None:
        """Do as is set now. Without the extra it stays at a line in the log."""
        address = self._collector()
        if address == self._address:
            return
        self._address = address
        if self._sender is not None:
            self._sender.finish()
            self._sender = None
        if address is None:
            return
        if not can_trace():
            log.warning("traces_not_sent", reason=f"{NOT_INSTALLED} {EXTRA_HINT}")
            return
        self._sender = TraceSender(partial(_open_exporter, address), self._counts)
        self._sender.start()
        log.info("traces", collector=address)

    def note(self, record: RequestRecord, ask: Ask) -> None:
        """Trace `ask`, which has ended as `record` says."""
        if self._sender is not None:
            self._sender.put(trace_of(record, ask))

    async def close(self) -> None:
        """Send what is left, for so long as the server's end may take."""
        if (sender := self._sender) is None:
            return
        self._sender = None
        sender.finish()
        await asyncio.to_thread(sender.join, _LAST_S)
        if sender.is_alive() and (left := sender.give_up()):
            log.warning("traces_dropped", spans=left, reason="the collector did not take them")


def _open_exporter(address: str) -> Exporter:
    from mlx_gui.control.requests.otlp import OtlpExporter  # nobody else waits for it

    return OtlpExporter(address)
