"""Samples for charts, in a file of their own that may be lost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    case,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.core.chart_mark import ChartMark
from mlx_gui.store.expendable import expendable

SAMPLES_FILE = "samples.db"
COARSE_S = 300
"""Seconds that a sample stands for once it is thinned."""
MOST_CHART_MARKS = 500
"""How many marks a chart gets, the newest."""
_FORMAT = 2

_METADATA = MetaData()

_samples = Table(
    "samples",
    _METADATA,
    Column("at", Integer, primary_key=True),
    Column("total_bytes", Integer, nullable=False),
    Column("available_bytes", Integer, nullable=False),
    Column("other_apps_bytes", Integer, nullable=False),
    Column("budget_bytes", Integer, nullable=False),
    Column("used_by_models_bytes", Integer, nullable=False),
    Column("active_requests", Integer, nullable=False),
    Column("queued_requests", Integer, nullable=False),
    Column("span_s", Integer, nullable=False),
    Column("cpu_share", Float),
)

_model_samples = Table(
    "model_samples",
    _METADATA,
    Column("at", Integer, primary_key=True),
    Column("model", String, primary_key=True),
    Column("weights_bytes", Integer, nullable=False),
    Column("kv_bytes", Integer, nullable=False),
    Column("prefix_bytes", Integer, nullable=False),
    Column("other_bytes", Integer, nullable=False),
    Column("span_s", Integer, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    sqlite_with_rowid=False,
)

_chart_marks = Table(
    "chart_marks",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("model", String),
    Column("cause", String),
    Column("text", String, nullable=False),
)

_BYTES = tuple(column for column in _samples.c if column.name.endswith("_bytes"))
_COUNTS = (_samples.c.active_requests, _samples.c.queued_requests)
_PARTS = tuple(column for column in _model_samples.c if column.name.endswith("_bytes"))
_TOKENS = (_model_samples.c.prompt_tokens, _model_samples.c.output_tokens)


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What one model holds, and the tokens that it has read of prompts and written meanwhile."""

    weights_bytes: int
    kv_bytes: int
    prefix_bytes: int
    other_bytes: int
    prompt_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory and the work of `span_s` seconds from `at_s` (Unix time) on.

    `cpu_share` is what of the processors' time was used, None where the system does not say.
    """

    at_s: int
    total_bytes: int
    available_bytes: int
    other_apps_bytes: int
    budget_bytes: int
    used_by_models_bytes: int
    active_requests: int
    queued_requests: int
    models: Mapping[str, ModelParts]
    span_s: int = 10
    cpu_share: float | None = None


class SampleStore:
    """Samples in a file that begins anew where it is damaged; it is opened at first use."""

    def __init__(self, data_dir: Path) -> None:
        self._database = expendable(data_dir / SAMPLES_FILE, _METADATA, format=_FORMAT)

    async def add(self, sample: Sample, marks: Sequence[ChartMark] = ()) -> None:
        """Keep `sample`, and what happened meanwhile. Raises StoreError or DiskFull."""

        def work(connection: Connection) -> None:
            _add(connection, sample)
            if marks:
                connection.execute(insert(_chart_marks), [asdict(mark) for mark in marks])

        await self._database.write(work)

    async def thin(self, *, from_s: int, before_s: int) -> None:
        """Make one of all samples of each `COARSE_S` between these, which begins with the first.

        Both are rounded down to a multiple of that. Raises StoreError or DiskFull.
        """
        first_s, end_s = (each - each % COARSE_S for each in (from_s, before_s))
        await self._database.write(lambda connection: _thin(connection, from_s=first_s, to_s=end_s))

    async def forget(self, *, before_s: int) -> None:
        """Drop what is older. Raises StoreError or DiskFull."""
        await self._database.write(lambda connection: _forget(connection, before_s))

    async def series(self, *, from_s: int, to_s: int, step_s: int) -> tuple[Sample, ...]:
        """One sample for each step of `from_s` to `to_s` in which any begins, in order.

        Bytes and shares are the mean of the step, requests the most at once, tokens and spans the
        sum. Steps begin at multiples of `step_s`. Raises StoreError.
        """
        return await self._database.read(
            lambda connection: _series(connection, from_s=from_s, to_s=to_s, step_s=step_s)
        )

    async def marks(self, *, from_s: float, to_s: float) -> tuple[ChartMark, ...]:
        """The last `MOST_CHART_MARKS` between these, in their order. Raises StoreError."""
        columns = [column for column in _chart_marks.c if column.name != "id"]
        query = (
            select(*columns)
            .where(_chart_marks.c.at >= from_s, _chart_marks.c.at < to_s)
            .order_by(_chart_marks.c.at.desc(), _chart_marks.c.id.desc())
            .limit(MOST_CHART_MARKS)
        )
        rows = await self._database.read(
            lambda connection: connection.execute(query).mappings().all()
        )
        return tuple(ChartMark(**row) for row in reversed(rows))

    def close(self) -> None:
        """Finishes what was asked for and closes the file; blocks meanwhile."""
        self._database.close()


def _add(connection: Connection, sample: Sample) -> None:
    # A clock that was set back may come to the same second again.
    _forget_moment(connection, sample.at_s)
    columns = {
        column.name: getattr(sample, column.name) for column in _samples.c if column.name != "at"
    }
    connection.execute(insert(_samples).values(at=sample.at_s, **columns))
    rows = [
        {"at": sample.at_s, "model": model_id, "span_s": sample.span_s, **asdict(parts)}
        for model_id, parts in sample.models.items()
    ]
    if rows:
        connection.execute(insert(_model_samples), rows)


def _forget_moment(connection: Connection, at_s: int) -> None:
    for table in (_samples, _model_samples):
        connection.execute(delete(table).where(table.c.at == at_s))


def _forget(connection: Connection, before_s: int) -> None:
    for table in (_samples, _model_samples, _chart_marks):
        connection.execute(delete(table).where(table.c.at < before_s))


def _thin(connection: Connection, *, from_s: int, to_s: int) -> None:
    at = _samples.c.at
    step = at - at % COARSE_S
    within = select(step, func.min(at)).where(at >= from_s, at < to_s).group_by(step)
    begins_s: dict[int, int] = {row[0]: row[1] for row in connection.execute(within)}
    thinned = [
        replace(each, at_s=begins_s[each.at_s])
        for each in _series(connection, from_s=from_s, to_s=to_s, step_s=COARSE_S)
    ]
    for table in (_samples, _model_samples):
        connection.execute(delete(table).where(table.c.at >= from_s, table.c.at < to_s))
    for each in thinned:
        _add(connection, each)


def _series(connection: Connection, *, from_s: int, to_s: int, step_s: int) -> tuple[Sample, ...]:
    begin = (_samples.c.at - _samples.c.at % step_s).label("begin")
    steps = connection.execute(
        select(
            begin,
            func.sum(_samples.c.span_s).label("span_s"),
            *(_mean(column, _samples.c.span_s).label(column.name) for column in _BYTES),
            _mean(_samples.c.cpu_share, _samples.c.span_s).label("cpu_share"),
            *(func.max(column).label(column.name) for column in _COUNTS),
        )
        .where(_samples.c.at >= from_s, _samples.c.at < to_s)
        .group_by(begin)
        .order_by(begin)
    )
    rows = steps.mappings().all()
    spans_s: dict[int, int] = {row["begin"]: row["span_s"] for row in rows}
    models = _models(connection, spans_s, from_s=from_s, to_s=to_s, step_s=step_s)
    return tuple(_sample(row, models.get(row["begin"], {})) for row in rows)


def _models(
    connection: Connection, spans_s: Mapping[int, int], *, from_s: int, to_s: int, step_s: int
) -> dict[int, dict[str, ModelParts]]:
    """What each model held on the average of a step, in which it may have been loaded only then."""
    begin = (_model_samples.c.at - _model_samples.c.at % step_s).label("begin")
    rows = connection.execute(
        select(
            begin,
            _model_samples.c.model,
            *(func.sum(column * _model_samples.c.span_s).label(column.name) for column in _PARTS),
            *(func.sum(column).label(column.name) for column in _TOKENS),
        )
        .where(_model_samples.c.at >= from_s, _model_samples.c.at < to_s)
        .group_by(begin, _model_samples.c.model)
        .order_by(begin, _model_samples.c.model)
    )
    found: dict[int, dict[str, ModelParts]] = {}
    for row in rows.mappings():
        span_s = spans_s[row["begin"]]
        means = {column.name: row[column.name] // span_s for column in _PARTS}
        tokens = {column.name: row[column.name] for column in _TOKENS}
        found.setdefault(row["begin"], {})[row["model"]] = ModelParts(**means, **tokens)
    return found


def _sample(row: RowMapping, models: Mapping[str, ModelParts]) -> Sample:
    means = {column.name: int(row[column.name]) for column in _BYTES}
    counts = {column.name: row[column.name] for column in _COUNTS}
    return Sample(
        at_s=row["begin"],
        models=models,
        span_s=row["span_s"],
        cpu_share=row["cpu_share"],
        **means,
        **counts,
    )


def _mean(column: ColumnElement[Any], span_s: ColumnElement[int]) -> ColumnElement[Any]:
    """By the time that each row stands for, and of those that say anything."""
    known_s = case((column.is_not(None), span_s))
    return func.sum(column * span_s) * 1.0 / func.sum(known_s)
