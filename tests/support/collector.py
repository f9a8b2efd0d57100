"""A collector of traces on this machine, which reads what it is sent as a real one does."""

import base64
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.waiting import wait_until

Answering = Callable[[BaseHTTPRequestHandler], None]


def taken(handler: BaseHTTPRequestHandler) -> None:
    """As a collector answers that is well."""
    body = ExportTraceServiceResponse().SerializeToString()
    handler.send_response(200)
    handler.send_header("content-type", "application/x-protobuf")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


class Collector:
    """Takes traces until its block ends; `answer` says how it answers."""

    def __init__(self, answer: Answering = taken) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        """Set when the block ends: whoever hangs goes on."""
        self._server = _Server(self)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def resource(self) -> dict[str, Any]:
        """Who sent the last of them, as they say."""
        sent = _read(self.bodies[-1])
        return _values(sent["resourceSpans"][0]["resource"]["attributes"])

    @property
    def spans(self) -> list[dict[str, Any]]:
        """All that have come; with `attributes` as plain values."""
        return [
            {**span, "attributes": _values(span.get("attributes", []))}
            for body in list(self.bodies)
            for resource in _read(body)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def requests(self, count: int) -> list[dict[str, Any]]:
        """The spans of `count` requests, when so many have come."""

        def found() -> list[dict[str, Any]]:
            return [each for each in self.spans if each.get("kind") == "SPAN_KIND_SERVER"]

        wait_until(lambda: len(found()) >= count, what=f"{count} traces to come")
        return found()

    def below(self, request: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The phases of `request` by their names."""
        return {
            each["name"]: each
            for each in self.spans
            if each.get("parentSpanId") == request["spanId"]
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, collector: Collector) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.collector = collector

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        collector = self.server.collector
        body = self.rfile.read(int(self.headers["content-length"]))
        collector.paths.append(self.path)
        collector.headers.append({key.lower(): value for key, value in self.headers.items()})
        collector.bodies.append(body)
        collector.answer(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads of it."""


def _read(body: bytes) -> dict[str, Any]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    plain = MessageToDict(request)
    for resource in plain["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                _as_hex(span)
    return plain


def _as_hex(span: dict[str, Any]) -> None:
    """Ids are written as base64."""
    for key in ("traceId", "spanId", "parentSpanId"):
        if key in span:
            span[key] = base64.b64decode(span[key]).hex()


def _values(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["key"]: _value(each["value"]) for each in attributes}


def _value(value: dict[str, Any]) -> Any:
    ((kind, plain),) = value.items()
    return int(plain) if kind == "intValue" else plain
