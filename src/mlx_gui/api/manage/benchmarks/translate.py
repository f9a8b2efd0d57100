"""Benchmarks as JSON."""

from mlx_gui.api.model_view import utc_time
from mlx_gui.core.benchmark import Benchmark, Figures
from mlx_gui.wire.benchmarks import BenchmarkBody, BenchmarkFigures


def benchmark_body(benchmark: Benchmark) -> BenchmarkBody:
    """`benchmark`, with its time to the second."""
    return BenchmarkBody(
        id=benchmark.id,
        model=benchmark.model,
        version=benchmark.version,
        measured_at=utc_time(benchmark.measured_at),
        context=benchmark.context,
        figures=[_figures_body(each) for each in benchmark.figures],
    )


def _figures_body(figures: Figures) -> BenchmarkFigures:
    trial = figures.trial
    return BenchmarkFigures(
        prompt_tokens=trial.prompt_tokens,
        answer_tokens=trial.answer_tokens,
        at_once=trial.at_once,
        first_token_ms=figures.first_token_ms,
        prompt_tokens_per_s=figures.prompt_tokens_per_s,
        answer_tokens_per_s=figures.answer_tokens_per_s,
        problem=figures.problem or None,
    )
