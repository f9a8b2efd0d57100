"""Stored responses: their conversations, whose they are, and how long they stay."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from mlx_gui.core.errors import InvalidRequest, PreviousResponseNotFound
from mlx_gui.store import responses as responses_module
from mlx_gui.store.connections import engine
from mlx_gui.store.migrate import migrate
from mlx_gui.store.responses import (
    StoredResponse,
    Turn,
    conversation,
    find_response,
    forget_old_responses,
    forget_response,
    keep_response,
)
from mlx_gui.store.schema import responses

PLENTY = 1_000_000


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    path = tmp_path / "some.db"
    migrate(path)
    database = engine(path, pool_size=1, pragmas=("foreign_keys=ON",))
    with database.begin() as opened:
        yield opened
    database.dispose()


def response(id: str, previous_id: str | None = None, *, day: int = 1, tenant: str = "local"):
    return StoredResponse(
        id, tenant, "org/one", previous_id, f"2026-01-{day:02}T00:00:00+00:00",
        f"[{id} in]", f"[{id} out]", "{}",
    )  # fmt: skip


def keep(connection: Connection, *kept: StoredResponse) -> None:
    for each in kept:
        keep_response(connection, each)


def present(connection: Connection) -> set[str]:
    return {row.id for row in connection.execute(responses.select())}


def test_a_response_comes_back_as_it_was_kept_until_it_is_forgotten(connection: Connection) -> None:
    keep(connection, response("a"))

    assert find_response(connection, "a", tenant="local") == response("a")
    assert forget_response(connection, "a", tenant="local")
    assert find_response(connection, "a", tenant="local") is None
    assert not forget_response(connection, "a", tenant="local")


def test_nobody_sees_continues_or_forgets_what_another_tenant_has(connection: Connection) -> None:
    keep(connection, response("a"))

    assert find_response(connection, "a", tenant="other") is None
    assert not forget_response(connection, "a", tenant="other")
    with pytest.raises(PreviousResponseNotFound):
        conversation(connection, "a", tenant="other", max_bytes=PLENTY)
    assert present(connection) == {"a"}


def test_a_conversation_is_all_turns_from_the_first_on(connection: Connection) -> None:
    keep(connection, response("a"), response("b", "a"), response("c", "b"), response("x", "b"))

    turns = conversation(connection, "c", tenant="local", max_bytes=PLENTY)

    assert turns == [Turn(f"[{id} in]", f"[{id} out]") for id in "abc"]


def test_a_conversation_with_a_missing_turn_is_refused_by_its_name(connection: Connection) -> None:
    keep(connection, response("a"), response("b", "a"), response("c", "b"))
    forget_response(connection, "a", tenant="local")

    with pytest.raises(PreviousResponseNotFound, match=r"of 'c' is broken: .* 'a' was deleted"):
        conversation(connection, "c", tenant="local", max_bytes=PLENTY)


def test_a_conversation_without_end_is_refused(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(connection, response("a"), response("b", "a"))
    connection.execute(update(responses).where(responses.c.id == "a").values(previous_id="b"))

    with pytest.raises(InvalidRequest, match="longer than 5000 responses"):
        conversation(connection, "b", tenant="local", max_bytes=PLENTY)
    assert forget_old_responses(connection, before="2026-01-02") == 2

    monkeypatch.setattr(responses_module, "MAX_CHAIN", 3)
    keep(connection, *(response(str(n), str(n - 1) if n else None) for n in range(4)))
    assert len(conversation(connection, "2", tenant="local", max_bytes=PLENTY)) == 3
    with pytest.raises(InvalidRequest):
        conversation(connection, "3", tenant="local", max_bytes=PLENTY)


def test_a_conversation_of_too_many_bytes_is_refused(connection: Connection) -> None:
    keep(connection, response("a"), response("b", "a"))

    assert conversation(connection, "b", tenant="local", max_bytes=26)
    with pytest.raises(InvalidRequest, match="25 bytes") as refusal:
        conversation(connection, "b", tenant="local", max_bytes=25)
    assert "max_body_bytes" in refusal.value.hint


def test_what_is_old_goes_unless_something_younger_continues_it(connection: Connection) -> None:
    keep(
        connection,
        response("old"),
        response("begin", day=2),
        response("middle", "begin", day=3),
        response("end", "middle", day=9),
        response("branch", "middle", day=4),
        response("young", day=8),
    )

    assert forget_old_responses(connection, before="2026-01-08T00:00:00+00:00") == 2
    assert present(connection) == {"begin", "middle", "end", "young"}
    assert forget_old_responses(connection, before="2026-01-08T00:00:00+00:00") == 0
    assert forget_old_responses(connection, before="2026-02") == 4
