"""Samples for charts, in a file of their own that may be lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.store.expendable import expendable

SAMPLES_FILE = "samples.db"
_FORMAT = 1

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
    sqlite_with_rowid=False,
)

_BYTES = tuple(column for column in _samples.c if column.name.endswith("_bytes"))
_COUNTS = (_samples.c.active_requests, _samples.c.queued_requests)
_PARTS = tuple(column for column in _model_samples.c if column.name.endswith("_bytes"))


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What one model holds."""

    weights_bytes: int
    kv_bytes: int
    prefix_bytes: int
    other_bytes: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory and the work of one moment, or of the step that begins at `at_s` (Unix time)."""

    at_s: int
    total_bytes: int
    available_bytes: int
    other_apps_bytes: int
    budget_bytes: int
    used_by_models_bytes: int
    active_requests: int
    queued_requests: int
    models: Mapping[str, ModelParts]


class SampleStore:
    """Samples in a file that begins anew where it is damaged; it is opened at first use."""

    def __init__(self, data_dir: Path) -> None:
        self._database = expendable(data_dir / SAMPLES_FILE, _METADATA, format=_FORMAT)

    async def add(self, sample: Sample) -> None:
        """Keep `sample`. Raises StoreError or DiskFull."""
        await self._database.write(lambda connection: _add(connection, sample))

    async def forget(self, *, before_s: int) -> None:
        """Drop what is older. Raises StoreError or DiskFull."""
        await self._database.write(lambda connection: _forget(connection, before_s))

    async def series(self, *, from_s: int, to_s: int, step_s: int) -> tuple[Sample, ...]:
        """One sample for each step of `from_s` to `to_s` in which there was any, in order.

        Bytes are the mean of the step, requests the most at once. Steps begin at multiples of
        `step_s`. Raises StoreError.
        """
        return await self._database.read(
            lambda connection: _series(connection, from_s=from_s, to_s=to_s, step_s=step_s)
        )

    def close(self) -> None:
        """Finishes what was asked for and closes the file; blocks meanwhile."""
        self._database.close()


def _add(connection: Connection, sample: Sample) -> None:
    # A clock that was set back may come to the same second again.
    _forget_moment(connection, sample.at_s)
    columns = {column.name: getattr(sample, column.name) for column in (*_BYTES, *_COUNTS)}
    connection.execute(insert(_samples).values(at=sample.at_s, **columns))
    rows = [
        {
            "at": sample.at_s,
            "model": model_id,
            **{column.name: getattr(parts, column.name) for column in _PARTS},
        }
        for model_id, parts in sample.models.items()
    ]
    if rows:
        connection.execute(insert(_model_samples), rows)


def _forget_moment(connection: Connection, at_s: int) -> None:
    for table in (_samples, _model_samples):
        connection.execute(delete(table).where(table.c.at == at_s))


def _forget(connection: Connection, before_s: int) -> None:
    for table in (_samples, _model_samples):
        connection.execute(delete(table).where(table.c.at < before_s))


def _series(connection: Connection, *, from_s: int, to_s: int, step_s: int) -> tuple[Sample, ...]:
    begin = (_samples.c.at - _samples.c.at % step_s).label("begin")
    steps = connection.execute(
        select(
            begin,
            func.count().label("moments"),
            *(func.avg(column).label(column.name) for column in _BYTES),
            *(func.max(column).label(column.name) for column in _COUNTS),
        )
        .where(_samples.c.at >= from_s, _samples.c.at < to_s)
        .group_by(begin)
        .order_by(begin)
    )
    rows = steps.mappings().all()
    counts: dict[int, int] = {row["begin"]: row["moments"] for row in rows}
    models = _models(connection, counts, from_s=from_s, to_s=to_s, step_s=step_s)
    return tuple(_sample(row, models.get(row["begin"], {})) for row in rows)


def _models(
    connection: Connection, counts: Mapping[int, int], *, from_s: int, to_s: int, step_s: int
) -> dict[int, dict[str, ModelParts]]:
    """What each model held on the average of a step, in which it may have been loaded only then."""
    begin = (_model_samples.c.at - _model_samples.c.at % step_s).label("begin")
    rows = connection.execute(
        select(
            begin,
            _model_samples.c.model,
            *(func.sum(column).label(column.name) for column in _PARTS),
        )
        .where(_model_samples.c.at >= from_s, _model_samples.c.at < to_s)
        .group_by(begin, _model_samples.c.model)
        .order_by(begin, _model_samples.c.model)
    )
    found: dict[int, dict[str, ModelParts]] = {}
    for row in rows.mappings():
        moments = counts[row["begin"]]
        means = {column.name: row[column.name] // moments for column in _PARTS}
        found.setdefault(row["begin"], {})[row["model"]] = ModelParts(**means)
    return found


def _sample(row: RowMapping, models: Mapping[str, ModelParts]) -> Sample:
    means = {column.name: int(row[column.name]) for column in _BYTES}
    counts = {column.name: row[column.name] for column in _COUNTS}
    return Sample(at_s=row["begin"], models=models, **means, **counts)
