"""Benchmarks of models, as they were measured."""

from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select

from mlx_gui.core.benchmark import Benchmark, Figures
from mlx_gui.store.schema import benchmarks

MOST_KEPT = 50
"""Of each model; then the oldest goes."""

_NEWEST_FIRST = (benchmarks.c.measured_at.desc(), benchmarks.c.id.desc())


def keep_benchmark(connection: Connection, benchmark: Benchmark) -> None:
    """Adds `benchmark`, whose id is new."""
    row = msgspec.structs.asdict(benchmark)
    row["figures"] = msgspec.json.encode(benchmark.figures).decode()
    connection.execute(benchmarks.insert().values(row))
    of_model = select(benchmarks.c.id).where(benchmarks.c.model == benchmark.model)
    too_old = of_model.order_by(*_NEWEST_FIRST).offset(MOST_KEPT)
    connection.execute(delete(benchmarks).where(benchmarks.c.id.in_(too_old)))


def benchmarks_of(connection: Connection, model: str) -> list[Benchmark]:
    """Those of `model`, the newest first."""
    wanted = select(benchmarks).where(benchmarks.c.model == model).order_by(*_NEWEST_FIRST)
    return [_benchmark(row) for row in connection.execute(wanted).mappings()]


def _benchmark(row: RowMapping) -> Benchmark:
    values: dict[str, Any] = dict(row)
    values["figures"] = msgspec.json.decode(row["figures"], type=tuple[Figures, ...])
    return Benchmark(**values)
