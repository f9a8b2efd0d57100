"""Records of requests come back as they were, in pages, and only so many of them."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mlx_gui.core.request_record import Phases, RequestRecord, TokenCounts
from mlx_gui.store.requests import REQUESTS_FILE, Bounds, Page, RequestStore, Wanted

DAY_S = 86_400
NOW_S = 1_700_000_000.0
PLENTY = Bounds(rows=100_000, days=30)
ANY = Wanted()
ONE = RequestRecord(
    id="chatcmpl-1",
    request_id="asked-1",
    endpoint="/v1/chat/completions",
    model="org/one",
    tenant="local",
    key_id=None,
    client="curl/8",
    submitted_at=NOW_S - 2,
    ended_at=NOW_S,
    outcome="finished",
    phases=Phases(2000.0, 100.0, 900.0, 1500.0, 400.0, 550.0),
    tokens=TokenCounts(prompt=30, cached=10, completion=20, reasoning=5),
    cache_miss="evicted",
)
REFUSED = replace(
    ONE,
    id="chatcmpl-2",
    request_id="asked-2",
    model="org/two",
    tenant="other",
    key_id="key-1",
    endpoint="/v1/messages",
    outcome="refused",
    phases=Phases(3.0),
    tokens=None,
    cache_miss="",
    error_code="queue_full",
    error_message="8 requests wait for org/two already.",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RequestStore]:
    opened = RequestStore(tmp_path)
    yield opened
    opened.close()


def add(store: RequestStore, *records: RequestRecord, bounds: Bounds = PLENTY) -> int:
    return asyncio.run(store.add(records, bounds=bounds, now_s=NOW_S))


def many(count: int) -> list[RequestRecord]:
    return [replace(ONE, id=f"chatcmpl-{number}") for number in range(1, count + 1)]


def find(
    store: RequestStore,
    wanted: Wanted = ANY,
    *,
    limit: int = 100,
    after: int | None = None,
    before: int | None = None,
) -> Page:
    return asyncio.run(store.find(wanted, limit=limit, after=after, before=before))


def numbers(page: Page) -> list[int]:
    return [record.seq for record in page.records]


def test_records_come_back_as_they_were_and_numbered(store: RequestStore) -> None:
    assert add(store, ONE, REFUSED) == 2

    assert find(store) == Page((replace(ONE, seq=1), replace(REFUSED, seq=2)), more=False)


def test_numbers_go_on_after_reopening_also_when_the_newest_were_dropped(tmp_path: Path) -> None:
    first = RequestStore(tmp_path)
    add(first, *many(3))
    add(first, bounds=Bounds(rows=0, days=1))
    assert find(first).records == ()
    first.close()
    second = RequestStore(tmp_path)
    assert add(second, ONE) == 4
    assert asyncio.run(second.last()) == 4
    second.close()


def test_whoever_follows_misses_none_and_gets_none_twice(store: RequestStore) -> None:
    seen: list[int] = []
    for _ in range(4):
        add(store, *many(7))
        page = Page((), more=True)
        while page.more:
            page = find(store, limit=3, after=seen[-1] if seen else 0)
            seen += numbers(page)

    assert seen == list(range(1, 29))


def test_without_a_cursor_the_last_ones_come_and_before_them_the_earlier_ones(
    store: RequestStore,
) -> None:
    add(store, *many(10))

    last = find(store, limit=4)
    earlier = find(store, limit=4, before=7)
    first = find(store, limit=4, before=3)

    assert (numbers(last), last.more) == ([7, 8, 9, 10], True)
    assert (numbers(earlier), earlier.more) == ([3, 4, 5, 6], True)
    assert (numbers(first), first.more) == ([1, 2], False)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(model="org/two"),
        Wanted(outcome="refused"),
        Wanted(endpoint="/v1/messages"),
        Wanted(tenant="other"),
        Wanted(since=NOW_S + 5),
    ],
)
def test_records_are_chosen_by_what_is_asked_for(store: RequestStore, wanted: Wanted) -> None:
    add(store, ONE, replace(REFUSED, ended_at=NOW_S + 10), replace(ONE, id="chatcmpl-3"))

    assert [record.id for record in find(store, wanted).records] == ["chatcmpl-2"]


@pytest.mark.parametrize("name", ["chatcmpl-2", "asked-2"])
def test_a_record_is_found_by_either_of_its_ids(store: RequestStore, name: str) -> None:
    add(store, ONE, REFUSED)

    found = asyncio.run(store.get(name))
    assert found is not None
    assert found.id == "chatcmpl-2"
    assert asyncio.run(store.get("unheard-of")) is None


def test_only_so_many_are_kept_and_the_oldest_go_first(store: RequestStore) -> None:
    add(store, *many(10), bounds=Bounds(rows=4, days=30))
    assert numbers(find(store)) == [7, 8, 9, 10]
    add(store, ONE, bounds=Bounds(rows=4, days=30))
    assert numbers(find(store)) == [8, 9, 10, 11]


def test_what_ended_too_long_ago_goes_also_where_nothing_new_comes(store: RequestStore) -> None:
    for days in (40, 31, 29, 0):
        add(store, replace(ONE, ended_at=NOW_S - days * DAY_S), bounds=Bounds(1000, 100))

    add(store, bounds=Bounds(rows=1000, days=30))
    assert numbers(find(store)) == [3, 4]
    assert asyncio.run(store.add([], bounds=PLENTY, now_s=NOW_S + 100 * DAY_S)) == 4
    assert find(store).records == ()


def test_the_file_is_bounded_in_bytes(tmp_path: Path) -> None:
    most_bytes = 200_000
    store = RequestStore(tmp_path, most_bytes=most_bytes)
    long = replace(ONE, error_message="x" * 500)
    for _ in range(40):
        add(store, *(replace(long, id=f"chatcmpl-{number}") for number in range(50)))
    kept = numbers(find(store, limit=10_000))
    store.close()

    assert kept == list(range(kept[0], 2001))
    assert len(kept) > 100
    assert (tmp_path / REQUESTS_FILE).stat().st_size < 1.5 * most_bytes


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    (tmp_path / REQUESTS_FILE).write_bytes(b"This is no database. " * 400)
    store = RequestStore(tmp_path)
    assert add(store, ONE) == 1
    assert numbers(find(store)) == [1]
    assert (tmp_path / f"{REQUESTS_FILE}.damaged").exists()
    store.close()


def test_no_text_of_a_prompt_or_an_answer_has_a_place(store: RequestStore, tmp_path: Path) -> None:
    add(store, ONE)
    with closing(sqlite3.connect(tmp_path / REQUESTS_FILE)) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(requests)")}
    assert columns.isdisjoint({"prompt", "answer", "messages", "input", "output", "body"})
