"""Samples, marks and figures of requests as the columns of charts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlx_gui.api.manage.samples.translate import Steps
from mlx_gui.api.model_view import utc_time
from mlx_gui.core.chart_mark import ChartMark
from mlx_gui.store.request_figures import ModelFigures, Percentiles, RequestFigures
from mlx_gui.store.samples import ModelParts, Sample
from mlx_gui.wire.history import (
    ChartMarkBody,
    HistoryBody,
    HistorySeries,
    HistoryTotals,
    MetricsEvent,
    ModelHistory,
    Numbers,
    PercentilesBody,
)


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a range; samples by the begin of their step."""

    samples: Mapping[int, Sample]
    marks: Sequence[ChartMark]
    requests: RequestFigures
    failed_last_hour: int


def history_body(known: Known, steps: Steps, *, records_kept: bool) -> HistoryBody:
    """A value for every step, null where nothing is known."""
    moments = range(steps.from_s, steps.to_s, steps.step_s)
    return HistoryBody(
        start=utc_time(steps.from_s),
        step_s=steps.step_s,
        steps=len(moments),
        series=_series(known, moments),
        models=_models(known, moments),
        marks=[
            ChartMarkBody(
                at=utc_time(mark.at),
                kind=mark.kind,
                model=mark.model,
                cause=mark.cause,
                text=mark.text,
            )
            for mark in known.marks
        ],
        totals=_totals(known),
        records=records_kept,
    )


def metrics_event(sample: Sample) -> MetricsEvent:
    """What the interface shows of the last second."""
    return MetricsEvent(
        at=utc_time(sample.at_s + sample.span_s),
        prompt_tokens_per_s=_rate(sample, _prompt_tokens),
        output_tokens_per_s=_rate(sample, _output_tokens),
        active_requests=sample.active_requests,
        queued_requests=sample.queued_requests,
    )


def _series(known: Known, moments: range) -> HistorySeries:
    def column(of: Callable[[Sample], float | None]) -> Numbers:
        return [
            None if (sample := known.samples.get(at_s)) is None else of(sample) for at_s in moments
        ]

    first = known.requests.first_token_steps
    return HistorySeries(
        prompt_tokens_per_s=column(lambda sample: _rate(sample, _prompt_tokens)),
        output_tokens_per_s=column(lambda sample: _rate(sample, _output_tokens)),
        active_requests=column(lambda sample: sample.active_requests),
        queued_requests=column(lambda sample: sample.queued_requests),
        first_token_p50_ms=[_of(first.get(at_s), "p50") for at_s in moments],
        first_token_p95_ms=[_of(first.get(at_s), "p95") for at_s in moments],
        weights_bytes=column(lambda sample: _sum(sample, lambda parts: parts.weights_bytes)),
        cache_bytes=column(
            lambda sample: _sum(sample, lambda parts: parts.kv_bytes + parts.prefix_bytes)
        ),
        other_bytes=column(lambda sample: _sum(sample, lambda parts: parts.other_bytes)),
        budget_bytes=column(lambda sample: sample.budget_bytes),
        other_apps_bytes=column(lambda sample: sample.other_apps_bytes),
        cpu_share=column(
            lambda sample: None if sample.cpu_share is None else round(sample.cpu_share, 3)
        ),
    )


def _models(known: Known, moments: range) -> list[ModelHistory]:
    """Of those that were in memory or were asked for."""
    figures = {each.model: each for each in known.requests.models}
    held = {model_id for sample in known.samples.values() for model_id in sample.models}
    loads = Counter(mark.model for mark in known.marks if mark.kind == "load")

    def rates(model_id: str) -> Numbers:
        return [
            None
            if (sample := known.samples.get(at_s)) is None
            else _rate(sample, _output_tokens, model_id)
            for at_s in moments
        ]

    return [
        _model(
            figures.get(model_id) or ModelFigures(model_id, 0, 0, 0, 0, 0, None, None),
            rates=rates(model_id),
            loads=loads[model_id],
        )
        for model_id in sorted(held | figures.keys())
    ]


def _model(figures: ModelFigures, *, rates: Numbers, loads: int) -> ModelHistory:
    return ModelHistory(
        id=figures.model,
        output_tokens_per_s=rates,
        requests=figures.requests,
        failed=figures.failed,
        loads=loads,
        prompt_tokens=figures.prompt_tokens,
        cached_tokens=figures.cached_tokens,
        output_tokens=figures.output_tokens,
        answer_tokens_per_s=_percentiles(figures.output_tokens_per_s),
        first_token_ms=_percentiles(figures.first_token_ms),
    )


def _totals(known: Known) -> HistoryTotals:
    models = known.requests.models
    prompt_tokens = sum(each.prompt_tokens for each in models)
    cached_tokens = sum(each.cached_tokens for each in models)
    return HistoryTotals(
        requests=sum(each.requests for each in models),
        failed=sum(each.failed for each in models),
        prompt_tokens=prompt_tokens,
        cached_tokens=cached_tokens,
        output_tokens=sum(each.output_tokens for each in models),
        cache_hit=round(cached_tokens / prompt_tokens, 4) if prompt_tokens else None,
        first_token_ms=_percentiles(known.requests.first_token_ms),
        failed_last_hour=known.failed_last_hour,
    )


def _percentiles(found: Percentiles | None) -> PercentilesBody | None:
    if found is None:
        return None
    return PercentilesBody(p50=round(found.p50, 1), p95=round(found.p95, 1))


def _of(found: Percentiles | None, which: str) -> float | None:
    return None if found is None else round(getattr(found, which), 1)


def _prompt_tokens(parts: ModelParts) -> int:
    return parts.prompt_tokens


def _output_tokens(parts: ModelParts) -> int:
    return parts.output_tokens


def _sum(sample: Sample, of: Callable[[ModelParts], int]) -> int:
    return sum(of(parts) for parts in sample.models.values())


def _rate(sample: Sample, of: Callable[[ModelParts], int], model_id: str | None = None) -> float:
    """Tokens a second, of one model or of all."""
    if model_id is None:
        tokens = _sum(sample, of)
    else:
        parts = sample.models.get(model_id)
        tokens = 0 if parts is None else of(parts)
    return round(tokens / sample.span_s, 2)
