"""How long the main thread waits for requests that are near."""

import threading
import time

import pytest

from mlx_gui.worker.arrivals import PREPARING_S, RETURNING_S, Arrivals

DEADLINE_S = 30


class Clock:
    """A clock that passes a little time whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        self.now_s += 0.0005
        return self.now_s


def test_whoever_is_alone_is_not_held_up() -> None:
    arrivals = Arrivals(Clock())
    assert not arrivals.await_company()
    arrivals.received()
    arrivals.prepared()
    arrivals.ended(1)
    assert not arrivals.await_company()


def test_a_request_that_is_being_prepared_is_waited_for() -> None:
    arrivals = Arrivals()
    arrivals.received()
    waited = threading.Event()

    def wait() -> None:
        assert arrivals.await_company()
        waited.set()

    thread = threading.Thread(target=wait)
    thread.start()
    arrivals.prepared()
    assert waited.wait(DEADLINE_S)
    thread.join()


@pytest.mark.parametrize("ended", [0, 4])
def test_no_wait_is_longer_than_its_bound(ended: int) -> None:
    arrivals = Arrivals()
    arrivals.received()
    arrivals.ended(ended)
    began_s = time.monotonic()
    assert arrivals.await_company()
    waited_s = time.monotonic() - began_s
    assert PREPARING_S <= waited_s < DEADLINE_S
    assert not ended or waited_s >= RETURNING_S - 0.001


def test_those_whose_answers_ended_together_are_awaited_until_they_are_back() -> None:
    arrivals = Arrivals(Clock())
    arrivals.ended(2)
    assert arrivals.await_company(), "nobody came"
    assert not arrivals.await_company(), "nobody is expected any more"
    arrivals.ended(2)
    for _ in range(2):
        arrivals.received()
        arrivals.prepared()
    assert not arrivals.await_company(), "all are here"
