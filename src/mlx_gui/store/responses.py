"""Responses of `/v1/responses`, as their clients got them."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from mlx_gui.core.errors import InvalidRequest, PreviousResponseNotFound
from mlx_gui.store.schema import responses

MAX_CHAIN = 5_000


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """`input` and `output` are JSON lists of items; `body` is the object, its output left empty.

    `created_at` is UTC, to the second. `previous_id` is the response that this one continues.
    """

    id: str
    tenant: str
    model: str
    previous_id: str | None
    created_at: str
    input: str
    output: str
    body: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What a response adds to its conversation: two JSON lists of items."""

    input: str
    output: str


def keep_response(connection: Connection, response: StoredResponse) -> None:
    """Adds `response`, whose id is new."""
    row = {name: getattr(response, name) for name in StoredResponse.__slots__}
    connection.execute(insert(responses).values(row))


def find_response(connection: Connection, id: str, *, tenant: str) -> StoredResponse | None:
    """None when `tenant` has no such response."""
    wanted = (responses.c.id == id) & (responses.c.tenant == tenant)
    row = connection.execute(select(responses).where(wanted)).mappings().one_or_none()
    return None if row is None else StoredResponse(**row)


def forget_response(connection: Connection, id: str, *, tenant: str) -> bool:
    """Whether `tenant` had this response, which is gone now."""
    wanted = (responses.c.id == id) & (responses.c.tenant == tenant)
    return connection.execute(delete(responses).where(wanted)).rowcount > 0


def conversation(
    connection: Connection, last_id: str, *, tenant: str, max_bytes: int
) -> list[Turn]:
    """The turns that end with the response `last_id`, oldest first.

    Raises PreviousResponseNotFound when one of them is missing, and InvalidRequest when they are
    more than MAX_CHAIN or than `max_bytes`.
    """
    turns: list[Turn] = []
    total_bytes = 0
    columns = select(responses.c.previous_id, responses.c.input, responses.c.output)
    next_id: str | None = last_id
    while next_id is not None:
        wanted = (responses.c.id == next_id) & (responses.c.tenant == tenant)
        row = connection.execute(columns.where(wanted)).one_or_none()
        if row is None:
            raise _missing(next_id, last_id)
        total_bytes += len(row.input.encode()) + len(row.output.encode())
        if len(turns) == MAX_CHAIN or total_bytes > max_bytes:
            raise _endless(last_id, max_bytes)
        turns.append(Turn(row.input, row.output))
        next_id = row.previous_id
    return turns[::-1]


def forget_old_responses(connection: Connection, *, before: str) -> int:
    """How many were removed: all older than `before` that no younger one continues."""
    kept = (
        select(responses.c.id, responses.c.previous_id)
        .where(responses.c.created_at >= before)
        .cte("kept", recursive=True, nesting=True)
    )
    earlier = responses.alias("earlier")
    # UNION takes no row twice, so it ends even where a damaged chain runs in a circle.
    kept = kept.union(
        select(earlier.c.id, earlier.c.previous_id).join(kept, kept.c.previous_id == earlier.c.id)
    )
    old = responses.c.id.not_in(select(kept.c.id))
    return connection.execute(delete(responses).where(old)).rowcount


def _missing(id: str, last_id: str) -> PreviousResponseNotFound:
    if id == last_id:
        return PreviousResponseNotFound(
            f"The response '{id}' is not stored here.",
            hint="It was deleted, is too old, or was made with `store` false: send the whole "
            "conversation as `input`.",
            param="previous_response_id",
        )
    return PreviousResponseNotFound(
        f"The conversation of '{last_id}' is broken: its earlier response '{id}' was deleted.",
        hint="Send the whole conversation as `input`.",
        param="previous_response_id",
    )


def _endless(last_id: str, max_bytes: int) -> InvalidRequest:
    return InvalidRequest(
        f"The conversation of '{last_id}' is longer than {MAX_CHAIN} responses or {max_bytes} "
        "bytes.",
        hint="Begin a new one; max_body_bytes bounds a conversation as it bounds a body.",
        param="previous_response_id",
    )
