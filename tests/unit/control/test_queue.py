"""Who is next: priorities, turns of tenants, and that nobody waits for ever."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from mlx_gui.control.residency.queue import AGING_S, FairQueue
from mlx_gui.core.ask import Ask
from tests.unit.control.fakes import asked


@dataclass
class Asked:
    request_id: str
    tenant: str = "a"
    priority: int = 0
    enqueued_s: float = 0.0

    @property
    def ask(self) -> Ask:
        return asked(self.request_id, tenant=self.tenant, priority=self.priority)


def queue_of(*items: Asked) -> FairQueue[Asked]:
    queue = FairQueue[Asked]()
    for item in items:
        queue.push(item)
    return queue


def served(queue: FairQueue[Asked], now_s: float = 0.0) -> list[str]:
    """Everybody in the order in which they are taken."""
    order: list[str] = []
    while (head := next(queue.in_order(now_s), None)) is not None:
        queue.take(head)
        order.append(head.request_id)
    return order


def test_one_tenant_is_served_in_the_order_of_arrival() -> None:
    assert served(queue_of(Asked("1"), Asked("2"), Asked("3"))) == ["1", "2", "3"]


def test_tenants_take_turns_however_many_requests_one_has() -> None:
    crowd = [Asked(f"a{number}", "a") for number in range(4)]
    queue = queue_of(*crowd, Asked("b0", "b"), Asked("b1", "b"), Asked("c0", "c"))
    assert served(queue) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]


def test_a_turn_is_remembered_while_a_tenant_waits() -> None:
    queue = queue_of(Asked("a0", "a"), Asked("a1", "a"), Asked("b0", "b"))
    first = next(queue.in_order(0), None)
    assert first is not None
    queue.take(first)
    queue.push(Asked("b1", "b"))
    assert served(queue) == ["b0", "a1", "b1"]


def test_a_higher_priority_is_served_first_until_a_lower_one_has_waited() -> None:
    queue = queue_of(
        Asked("plain", enqueued_s=0), Asked("urgent", priority=1, enqueued_s=AGING_S * 1.5)
    )
    assert [item.request_id for item in queue.in_order(AGING_S * 0.9)] == ["urgent", "plain"]
    assert [item.request_id for item in queue.in_order(AGING_S * 2.1)] == ["plain", "urgent"]


def test_a_long_wait_raises_the_request_that_waited_and_nobody_beside_it() -> None:
    now_s = AGING_S * 3.5
    queue = queue_of(
        Asked("a1", "a"),
        Asked("a2", "a", enqueued_s=now_s),
        *(Asked(f"b{number}", "b", enqueued_s=now_s) for number in range(3)),
        Asked("c", "c", 2, enqueued_s=now_s),
    )
    assert served(queue, now_s) == ["a1", "c", "b0", "a2", "b1", "b2"]


def test_of_requests_that_are_as_urgent_by_now_the_more_important_goes_first() -> None:
    queue = queue_of(
        Asked("old", "a"), Asked("new", "b", 1, AGING_S), Asked("late", "c", enqueued_s=AGING_S)
    )
    assert served(queue, AGING_S * 1.5) == ["new", "old", "late"]


def test_a_full_queue_still_takes_the_share_of_a_tenant_that_has_little_in_it() -> None:
    queue = queue_of(*(Asked(str(number), "a") for number in range(4)))
    assert queue.full_for("a", 4)
    assert not queue.full_for("b", 4)
    queue.push(Asked("b0", "b"))
    queue.push(Asked("b1", "b"))
    assert queue.full_for("b", 4)
    assert not queue.full_for("a", 7)


def test_what_leaves_is_gone_from_everywhere() -> None:
    first, second = Asked("1"), Asked("2", "b", 3)
    queue = queue_of(first, second)
    queue.remove(second)
    assert second not in queue
    assert first in queue
    assert queue.find("2") is None
    assert queue.highest_priority() == 0
    assert queue.clear() == [first]
    assert len(queue) == 0
    assert queue.oldest_s() is None


requests = st.builds(
    Asked,
    st.uuids().map(str),
    st.sampled_from("abc"),
    st.integers(-1, 1),
    st.integers(0, 100).map(float),
)


@given(st.lists(requests, unique_by=lambda item: item.request_id), st.integers(0, 200))
def test_places_are_those_in_which_all_are_served_and_each_once(
    items: list[Asked], now_s: int
) -> None:
    queue = queue_of(*sorted(items, key=lambda item: item.enqueued_s))
    places = [item.request_id for item in queue.in_order(now_s)]
    assert Counter(places) == Counter(item.request_id for item in items)
    assert served(queue, now_s) == places


@given(st.lists(requests, unique_by=lambda item: item.request_id), st.integers(0, 200))
@example([Asked("1", "a", 0, 5.0), Asked("2", "a", 0, 5.0)], 5)
def test_a_request_that_is_taken_and_put_back_is_next_again(items: list[Asked], now_s: int) -> None:
    queue = queue_of(*sorted(items, key=lambda item: item.enqueued_s))
    places = [item.request_id for item in queue.in_order(now_s)]
    if (head := next(queue.in_order(now_s), None)) is not None:
        queue.take(head)
        queue.put_back(head)
    assert [item.request_id for item in queue.in_order(now_s)] == places
