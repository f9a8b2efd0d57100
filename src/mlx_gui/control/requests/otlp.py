"""Brings traces to a collector as OTLP over HTTP: the one module that imports OpenTelemetry."""

from collections.abc import Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mlx_gui.control.requests.traces import Trace
from mlx_gui.core.network import is_here
from mlx_gui.version import __version__

_PATH = "/v1/traces"


class OtlpExporter:
    """After `trace_sender.py:Exporter`, for the collector at `address`.

    Headers, certificates, sampling and attributes of the server are what OpenTelemetry's own
    variables say. Raises ValueError and OSError for what they cannot say.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._drawn = _Drawn()
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(self._drawn)
        self._tracer: Tracer = provider.get_tracer("mlx-gui", __version__)
        self._session = _Session(trust_env=not is_here(address))
        url = address if address.endswith(_PATH) else address + _PATH
        self._exporter = OTLPSpanExporter(endpoint=url, session=self._session)

    def send(self, traces: Sequence[Trace]) -> str | None:
        for trace in traces:
            self._draw(trace)
        spans = self._drawn.take()
        if not spans or self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return None
        return f"{self._address} takes no traces: {self._session.problem}"

    def give_up(self) -> None:
        self._exporter.shutdown()

    def _draw(self, trace: Trace) -> None:
        parent = TraceContextTextMapPropagator().extract({"traceparent": trace.traceparent})
        whole = self._tracer.start_span(
            trace.request.name,
            parent,
            SpanKind.SERVER,
            trace.request.attributes,
            start_time=trace.request.start_ns,
        )
        if trace.went_wrong:
            whole.set_status(StatusCode.ERROR)
        within = set_span_in_context(whole)
        for phase in trace.phases:
            span: Span = self._tracer.start_span(
                phase.name, within, attributes=phase.attributes, start_time=phase.start_ns
            )
            span.end(phase.end_ns)
        whole.end(trace.request.end_ns)


class _Drawn(SpanProcessor):
    """Keeps spans that have ended until they are taken."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        spans, self._spans = self._spans, []
        return spans


class _Session(requests.Session):
    """Reads nothing of an answer but its status, which may have no end, and keeps nothing of it.

    `problem` is why the last question failed. A proxy of the environment would be asked for
    addresses of this machine too.
    """

    def __init__(self, *, trust_env: bool) -> None:
        super().__init__()
        self.trust_env = trust_env
        self.problem = ""
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def request(self, *args: Any, **more: Any) -> requests.Response:
        try:
            answer = super().request(*args, **{**more, "stream": True})
        except (requests.RequestException, OSError) as error:
            self.problem = type(error).__name__
            raise
        answer.close()
        self.problem = f"it answers {answer.status_code}"
        if answer.is_redirect:
            # Which the library takes for a yes.
            raise requests.TooManyRedirects(self.problem)
        return answer


def _resource() -> Resource:
    """Who sends; variables win over us."""
    ours = Resource({"service.name": "mlx-gui", "service.version": __version__})
    return Resource.create(ours.merge(OTELResourceDetector().detect()).attributes)
