"""The JSON of what charts are drawn from: rates, memory and requests over time."""

from pydantic import BaseModel

from mlx_gui.core.chart_mark import ChartMarkKind

Numbers = list[float | None]
"""One value for each step; null where nothing is known of it."""


class PercentilesBody(BaseModel):
    """The value that half of all are within, and that 95 of 100 are within."""

    p50: float
    p95: float


class HistorySeries(BaseModel):
    """The server and the machine over time, a value for each step.

    Rates are tokens a second: of prompts those that were computed, not those that were in the
    prefix cache. Requests are the most at once. Bytes are averages; `cache_bytes` are caches of
    sequences and the prefix cache. First tokens count in the step in which they came. `cpu_share`
    is what of the processors' time was used.
    """

    prompt_tokens_per_s: Numbers
    output_tokens_per_s: Numbers
    active_requests: Numbers
    queued_requests: Numbers
    first_token_p50_ms: Numbers
    first_token_p95_ms: Numbers
    weights_bytes: Numbers
    cache_bytes: Numbers
    other_bytes: Numbers
    budget_bytes: Numbers
    other_apps_bytes: Numbers
    cpu_share: Numbers


class ModelHistory(BaseModel):
    """What one model wrote over time, in tokens a second, and what it did in all.

    Requests are those that ended in the range; `failed` of them for a fault here. Rates are of
    single answers while they were written, null where nothing was to be measured.
    """

    id: str
    output_tokens_per_s: Numbers
    requests: int
    failed: int
    loads: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    answer_tokens_per_s: PercentilesBody | None
    first_token_ms: PercentilesBody | None


class ChartMarkBody(BaseModel):
    """Something that happened. `cause` is the model for whose sake it happened to `model`."""

    at: str
    kind: ChartMarkKind
    model: str | None
    cause: str | None
    text: str


class HistoryTotals(BaseModel):
    """The requests of the range together. `cache_hit` is what of their prompts was in the cache."""

    requests: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    cache_hit: float | None
    first_token_ms: PercentilesBody | None
    failed_last_hour: int


class HistoryBody(BaseModel):
    """A range in equal steps, of which the first begins at `start`.

    `marks` are the last five hundred in it, in their order. `records` says whether records of
    requests are kept: without them all figures of requests are of nothing.
    """

    start: str
    step_s: int
    steps: int
    series: HistorySeries
    models: list[ModelHistory]
    marks: list[ChartMarkBody]
    totals: HistoryTotals
    records: bool


class MetricsEvent(BaseModel):
    """The last second: tokens a second, and the requests of now."""

    at: str
    prompt_tokens_per_s: float
    output_tokens_per_s: float
    active_requests: int
    queued_requests: int
