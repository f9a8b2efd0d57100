"""Records of requests, in a file of their own that may be lost."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

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
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.core.request_record import Phases, RequestRecord, TokenCounts
from mlx_gui.store.expendable import expendable
from mlx_gui.store.request_figures import RequestFigures, failed_since, request_figures

REQUESTS_FILE = "requests.db"
MOST_BYTES = 128 * 1024 * 1024
"""What the file may hold, however many rows that are."""

_FORMAT = 2
_DAY_S = 86_400
_DROPPED_AT_ONCE = 20
"""Where the bytes do not suffice, one in so many of the rows goes."""

_METADATA = MetaData()

_requests = Table(
    "requests",
    _METADATA,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, index=True),
    Column("request_id", String, nullable=False, index=True),
    Column("endpoint", String, nullable=False),
    Column("model", String, nullable=False),
    Column("tenant", String, nullable=False),
    Column("key_id", String),
    Column("client", String, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("ended_at", Float, nullable=False),
    Column("outcome", String, nullable=False),
    Column("total_ms", Float, nullable=False),
    Column("queued_ms", Float, nullable=False),
    Column("load_ms", Float, nullable=False),
    Column("first_token_ms", Float),
    Column("prefill_ms", Float),
    Column("decode_ms", Float),
    Column("prompt_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("cache_miss", String, nullable=False),
    Column("error_code", String),
    Column("error_message", String),
    Column("audio_ms", Float),
    # A number is not given twice, also when the newest rows were dropped.
    sqlite_autoincrement=True,
)

_COUNTS = tuple(field.name for field in fields(TokenCounts))
_PHASES = tuple(field.name for field in fields(Phases))
_PLAIN = tuple(
    field.name for field in fields(RequestRecord) if field.name not in ("seq", "phases", "tokens")
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many records are kept, and for how many days after their end. 0 of either keeps none."""

    rows: int
    days: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are asked for; None is any. `since` is Unix time, of their end."""

    model: str | None = None
    outcome: str | None = None
    endpoint: str | None = None
    tenant: str | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, in the order of their ends; `more` says whether there are more that way."""

    records: tuple[RequestRecord, ...]
    more: bool


class RequestStore:
    """Records of requests in a file that begins anew where it is damaged, opened at first use."""

    def __init__(self, data_dir: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._database = expendable(data_dir / REQUESTS_FILE, _METADATA, format=_FORMAT)
        self._most_bytes = most_bytes

    async def add(self, records: Sequence[RequestRecord], *, bounds: Bounds, now_s: float) -> int:
        """Keep `records`, and no more than `bounds` allow; returns the newest one's number.

        Raises StoreError or DiskFull.
        """

        def work(connection: Connection) -> int:
            if records:
                connection.execute(insert(_requests), [_row(record) for record in records])
            newest = _newest(connection)
            _forget(connection, bounds, newest=newest, now_s=now_s)
            while _bytes(connection) > self._most_bytes and _drop_oldest(connection):
                pass
            return newest

        return await self._database.write(work)

    async def find(
        self, wanted: Wanted, *, limit: int, after: int | None = None, before: int | None = None
    ) -> Page:
        """Up to `limit` records: the first after the number `after`, else the last before `before`.

        Without either the last of all. Raises StoreError.
        """
        return await self._database.read(
            lambda connection: _find(connection, wanted, limit=limit, after=after, before=before)
        )

    async def get(self, name: str) -> RequestRecord | None:
        """The record of that id or `x-request-id`, of several the newest. Raises StoreError."""
        named = or_(_requests.c.id == name, _requests.c.request_id == name)
        query = select(_requests).where(named).order_by(_requests.c.seq.desc()).limit(1)
        row = await self._database.read(
            lambda connection: connection.execute(query).mappings().one_or_none()
        )
        return None if row is None else _record(row)

    async def last_used(self) -> dict[str, float]:
        """The end of the last request to each model, as Unix time, by model. Raises StoreError."""
        ended = func.max(_requests.c.ended_at)
        query = select(_requests.c.model, ended).group_by(_requests.c.model)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {model: ended_at for model, ended_at in rows}

    async def figures(self, *, from_s: int, to_s: int, step_s: int) -> RequestFigures:
        """What is known of the requests of a range. Raises StoreError."""
        return await self._database.read(
            lambda connection: request_figures(
                connection, _requests, from_s=from_s, to_s=to_s, step_s=step_s
            )
        )

    async def failed_since(self, since_s: float) -> int:
        """How many requests have failed since then, for a fault of ours. Raises StoreError."""
        return await self._database.read(
            lambda connection: failed_since(connection, _requests, since_s)
        )

    async def last(self) -> int:
        """The last number that was given; 0 before the first. Raises StoreError."""
        return await self._database.read(_newest)

    def close(self) -> None:
        """Finishes what was asked for and closes the file; blocks meanwhile."""
        self._database.close()


def _newest(connection: Connection) -> int:
    """The last number that was given, also where its row is gone."""
    given = "SELECT seq FROM sqlite_sequence WHERE name = ?"
    return connection.exec_driver_sql(given, (_requests.name,)).scalar_one_or_none() or 0


def _forget(connection: Connection, bounds: Bounds, *, newest: int, now_s: float) -> None:
    seq = _requests.c.seq
    connection.execute(delete(_requests).where(seq <= newest - bounds.rows))
    # They end in the order of their numbers, as long as nobody turns the clock back.
    young = _requests.c.ended_at >= now_s - bounds.days * _DAY_S
    first = connection.execute(select(seq).where(young).order_by(seq).limit(1)).scalar_one_or_none()
    connection.execute(delete(_requests).where(seq < (newest + 1 if first is None else first)))


def _drop_oldest(connection: Connection) -> bool:
    """Whether there was any row to be dropped."""
    seq = _requests.c.seq
    oldest, newest = connection.execute(select(func.min(seq), func.max(seq))).one()
    if oldest is None:
        return False
    dropped = max((newest - oldest) // _DROPPED_AT_ONCE, 1)
    connection.execute(delete(_requests).where(seq < oldest + dropped))
    return True


def _bytes(connection: Connection) -> int:
    """What the file holds, without the pages that are free again."""

    def pragma(name: str) -> int:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

    return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")


def _find(
    connection: Connection, wanted: Wanted, *, limit: int, after: int | None, before: int | None
) -> Page:
    seq = _requests.c.seq
    query = select(_requests).where(*_conditions(wanted)).limit(limit + 1)
    if after is not None:
        query = query.where(seq > after).order_by(seq)
    else:
        query = query.order_by(seq.desc())
    if before is not None:
        query = query.where(seq < before)
    records = [_record(row) for row in connection.execute(query).mappings()]
    more, records = len(records) > limit, records[:limit]
    return Page(tuple(records if after is not None else reversed(records)), more)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    equal = {
        _requests.c.model: wanted.model,
        _requests.c.outcome: wanted.outcome,
        _requests.c.endpoint: wanted.endpoint,
        _requests.c.tenant: wanted.tenant,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.since is not None:
        conditions.append(_requests.c.ended_at >= wanted.since)
    return conditions


def _row(record: RequestRecord) -> dict[str, object]:
    counts = {name: None for name in _COUNTS}
    if record.tokens is not None:
        counts = {name: getattr(record.tokens, name) for name in _COUNTS}
    return {
        **{name: getattr(record, name) for name in _PLAIN},
        **{name: getattr(record.phases, name) for name in _PHASES},
        **{f"{name}_tokens": count for name, count in counts.items()},
    }


def _record(row: RowMapping) -> RequestRecord:
    tokens = None
    if row["prompt_tokens"] is not None:
        tokens = TokenCounts(**{name: row[f"{name}_tokens"] for name in _COUNTS})
    return RequestRecord(
        seq=row["seq"],
        phases=Phases(**{name: row[name] for name in _PHASES}),
        tokens=tokens,
        **{name: row[name] for name in _PLAIN},
    )
