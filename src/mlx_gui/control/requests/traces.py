"""What a request was as a trace of OpenTelemetry: a span for it, and below that one for each phase.

No prompts, no answers, no keys, and no words of an error: these may repeat what was asked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mlx_gui.core.ask import Ask
from mlx_gui.core.model import Capability
from mlx_gui.core.request_record import Phases, RequestRecord

Attributes = Mapping[str, str | int]

_OPERATIONS: Mapping[Capability, str] = {
    "chat": "chat",
    "completion": "text_completion",
    "fill_in_the_middle": "text_completion",
    "embedding": "embeddings",
}
"""The words of the conventions for generative AI; they have none for what else there is."""

_MS = 1_000_000
_TO_BE_LOOKED_AT = ("refused", "failed")


@dataclass(frozen=True, slots=True)
class TraceSpan:
    """One span. Times are Unix time in nanoseconds."""

    name: str
    start_ns: int
    end_ns: int
    attributes: Attributes = field(default_factory=dict[str, str | int])


@dataclass(frozen=True, slots=True)
class Trace:
    """One request. `traceparent` is what its client said of the span that it belongs to.

    `went_wrong` if there is something to look at: not where only its client gave it up.
    """

    request: TraceSpan
    phases: tuple[TraceSpan, ...]
    traceparent: str
    went_wrong: bool

    @property
    def spans(self) -> int:
        return 1 + len(self.phases)


def trace_of(record: RequestRecord, ask: Ask) -> Trace:
    """The trace of `ask`, which has ended as `record` says."""
    start_ns = round(record.submitted_at * 1e9)
    end_ns = start_ns + round(record.phases.total_ms * _MS)
    operation = _OPERATIONS.get(ask.needs, ask.needs)
    return Trace(
        TraceSpan(
            f"{operation} {record.model}", start_ns, end_ns, dict(_attributes(record, operation))
        ),
        tuple(_phases(record.phases, start_ns, end_ns)),
        ask.traceparent,
        went_wrong=record.outcome in _TO_BE_LOOKED_AT,
    )


def _attributes(record: RequestRecord, operation: str) -> Iterator[tuple[str, str | int]]:
    yield "gen_ai.operation.name", operation
    yield "gen_ai.provider.name", "mlx_gui"
    yield "gen_ai.request.model", record.model
    yield "gen_ai.response.id", record.id
    yield "mlx_gui.request_id", record.request_id
    yield "mlx_gui.outcome", record.outcome
    if record.endpoint.startswith("/"):
        yield "http.route", record.endpoint
    if record.client:
        yield "user_agent.original", record.client
    if record.tokens is not None:
        yield "gen_ai.usage.input_tokens", record.tokens.prompt
        yield "gen_ai.usage.output_tokens", record.tokens.completion
        yield "gen_ai.usage.cache_read.input_tokens", record.tokens.cached
        yield "gen_ai.usage.reasoning.output_tokens", record.tokens.reasoning
    if record.error_code is not None:
        yield "error.type", record.error_code
    elif record.outcome != "finished":
        yield "error.type", record.outcome


def _phases(phases: Phases, start_ns: int, end_ns: int) -> Iterator[TraceSpan]:
    """Those that took time, one after the other.

    The engine's own are as long as it says. The reading of the prompt ends with the first of the
    answer, where there is one.
    """
    queued_ns = start_ns + round(phases.queued_ms * _MS)
    granted_ns = queued_ns + round(phases.load_ms * _MS)
    prefill_ns = round((phases.prefill_ms or 0) * _MS)
    if phases.first_token_ms is None:
        read_ns = granted_ns + prefill_ns
    else:
        read_ns = max(start_ns + round(phases.first_token_ms * _MS), granted_ns)
    written_ns = read_ns + round((phases.decode_ms or 0) * _MS)
    for name, begin_ns, until_ns in (
        ("queue", start_ns, queued_ns),
        ("load", queued_ns, granted_ns),
        ("prefill", max(read_ns - prefill_ns, granted_ns), read_ns if prefill_ns else 0),
        ("decode", read_ns, written_ns),
    ):
        within_ns = min(until_ns, end_ns)
        if within_ns > begin_ns:
            yield TraceSpan(name, begin_ns, within_ns)
