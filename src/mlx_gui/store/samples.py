"""Samples for charts, in a file of their own that may be lost."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy import (
    Column,
    Connection,
    Engine,
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

from mlx_gui.store.connections import engine
from mlx_gui.store.errors import DamagedDatabase, named_errors

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

SAMPLES_FILE = "samples.db"
_FORMAT = 1
"""Kept as SQLite's `user_version`. A file of another format is begun anew, not migrated."""

T = TypeVar("T")
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
    """One thread that writes and reads, never the event loop's; it opens the file at first use.

    A damaged file is set aside beside itself and a new one begun.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / SAMPLES_FILE
        self._engine: Engine | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="samples")

    async def add(self, sample: Sample) -> None:
        """Keep `sample`. Raises StoreError or DiskFull."""
        await self._do(lambda connection: _add(connection, sample))

    async def forget(self, *, before_s: int) -> None:
        """Drop what is older. Raises StoreError or DiskFull."""
        await self._do(lambda connection: _forget(connection, before_s))

    async def series(self, *, from_s: int, to_s: int, step_s: int) -> tuple[Sample, ...]:
        """One sample for each step of `from_s` to `to_s` in which there was any, in order.

        Bytes are the mean of the step, requests the most at once. Steps begin at multiples of
        `step_s`. Raises StoreError.
        """
        return await self._do(
            lambda connection: _series(connection, from_s=from_s, to_s=to_s, step_s=step_s)
        )

    def close(self) -> None:
        """Finishes what was asked for and closes the file; blocks meanwhile."""
        self._thread.shutdown()
        self._dispose()

    async def _do(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def _run(self, work: Callable[[Connection], T]) -> T:
        try:
            return self._try(work)
        except DamagedDatabase as damage:
            log.warning("samples_begun_anew", reason=damage.message)
        self._set_aside()
        return self._try(work)

    def _try(self, work: Callable[[Connection], T]) -> T:
        with named_errors(self._path):
            if self._engine is None:
                self._engine = self._open()
            with self._engine.begin() as connection:
                return work(connection)

    def _open(self) -> Engine:
        # SQLite gives the files that it adds (-wal, -shm) the mode of this one.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(self._path)) as connection:
            ours = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and ours != _FORMAT:
            raise DamagedDatabase(
                f"{self._path} is not a file of samples of this version.", hint="It is begun anew."
            )
        opened = engine(self._path, pool_size=1, pragmas=("journal_mode=WAL", "synchronous=NORMAL"))
        if not tables:
            with opened.begin() as connection:
                _METADATA.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version={_FORMAT}")
        return opened

    def _set_aside(self) -> None:
        self._dispose()
        with named_errors(self._path):
            self._path.replace(self._path.with_name(f"{SAMPLES_FILE}.damaged"))
            for suffix in ("-wal", "-shm"):
                self._path.with_name(SAMPLES_FILE + suffix).unlink(missing_ok=True)

    def _dispose(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


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
