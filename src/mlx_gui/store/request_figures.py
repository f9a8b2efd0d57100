"""Figures of many records at once: how long first tokens took, and what each model did."""

from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

Key = TypeVar("Key", str, int)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The value that half of all are within, and that 95 of 100 are within."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What a model did. Rates are of single answers, in tokens a second while they were written."""

    model: str
    requests: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    output_tokens_per_s: Percentiles | None
    first_token_ms: Percentiles | None


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """What is known of the requests of a range; `first_token_steps` by the begin of each step."""

    models: tuple[ModelFigures, ...]
    first_token_ms: Percentiles | None
    first_token_steps: dict[int, Percentiles]


def request_figures(
    connection: Connection, requests: FromClause, *, from_s: int, to_s: int, step_s: int
) -> RequestFigures:
    """Of the records of `requests` that ended, or had their first token, from `from_s` to `to_s`.

    First tokens count in the step in which they came, all else by the end of the request.
    """
    c = requests.c
    ended = and_(c.ended_at >= from_s, c.ended_at < to_s)
    first_at = c.submitted_at + c.first_token_ms / 1000.0
    # Of a request that has ended a bit later the first token may have come within the range.
    came = and_(first_at >= from_s, first_at < to_s, c.ended_at >= from_s)
    step = cast(first_at, Integer)
    rate = c.completion_tokens * 1000.0 / c.decode_ms
    wrote = and_(ended, c.decode_ms > 0, c.completion_tokens > 1)
    rates = _percentiles(connection, key=c.model, value=rate, where=wrote)
    first = _percentiles(connection, key=c.model, value=c.first_token_ms, where=came)
    all_first = _percentiles(connection, key=literal(0), value=c.first_token_ms, where=came)
    return RequestFigures(
        models=tuple(
            ModelFigures(
                *row,
                output_tokens_per_s=rates.get(row.model),
                first_token_ms=first.get(row.model),
            )
            for row in connection.execute(
                select(
                    c.model,
                    func.count(),
                    func.count(case((c.outcome == "failed", 1))),
                    func.coalesce(func.sum(c.prompt_tokens), 0),
                    func.coalesce(func.sum(c.cached_tokens), 0),
                    func.coalesce(func.sum(c.completion_tokens), 0),
                )
                .where(ended)
                .group_by(c.model)
                .order_by(c.model)
            )
        ),
        first_token_ms=all_first.get(0),
        first_token_steps=_percentiles(
            connection, key=step - step % step_s, value=c.first_token_ms, where=came
        ),
    )


def failed_since(connection: Connection, requests: FromClause, since_s: float) -> int:
    """How many requests have failed since then, for a fault of ours."""
    c = requests.c
    query = select(func.count()).where(c.ended_at >= since_s, c.outcome == "failed")
    return connection.execute(query).scalar_one()


def _percentiles(
    connection: Connection,
    *,
    key: ColumnElement[Key],
    value: ColumnElement[float],
    where: ColumnElement[bool],
) -> dict[Key, Percentiles]:
    """By `key`, each the value of the nearest rank."""
    ranked = (
        select(
            key.label("key"),
            value.label("value"),
            func.row_number().over(partition_by=key, order_by=value).label("rank"),
            func.count().over(partition_by=key).label("all"),
        )
        .where(where, value.is_not(None))
        .subquery()
    )
    c = ranked.c
    half, most = (c.all + 1) // 2, (c.all * 95 + 99) // 100
    query = (
        select(
            c.key,
            func.max(case((c.rank == half, c.value))),
            func.max(case((c.rank == most, c.value))),
        )
        .where(or_(c.rank == half, c.rank == most))
        .group_by(c.key)
    )
    return {key: Percentiles(p50, p95) for key, p50, p95 in connection.execute(query)}
