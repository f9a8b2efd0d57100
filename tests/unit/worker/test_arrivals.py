"""How long the main thread waits for requests that are near."""

import threading

import pytest

from mlx_gui.worker.arrivals import BEHIND_S, LONGEST_S, PREPARING_S, RETURNING_S, Arrivals

DEADLINE_S = 30


class Clock:
    """A clock that passes a little time whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        self.now_s += 0.0005
        return self.now_s

    def waited_s(self, arrivals: Arrivals, *, idle: bool = True) -> float:
        """How long `arrivals` waits by this clock."""
        began_s = self.now_s
        arrivals.await_company(idle=idle)
        return self.now_s - began_s


def come(arrivals: Arrivals, count: int) -> None:
    for _ in range(count):
        arrivals.received()
        arrivals.prepared()


def test_whoever_is_alone_is_not_held_up() -> None:
    arrivals = Arrivals(Clock())
    assert not arrivals.await_company(idle=True)
    come(arrivals, 1)
    arrivals.ended(1)
    assert not arrivals.await_company(idle=True)


def test_a_request_that_is_being_prepared_is_waited_for() -> None:
    looked, waited = threading.Event(), threading.Event()

    def standing() -> float:
        looked.set()
        return 100.0

    arrivals = Arrivals(standing)
    arrivals.received()
    looked.clear()

    def wait() -> None:
        assert arrivals.await_company(idle=False)
        waited.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert looked.wait(DEADLINE_S)
    arrivals.prepared()
    assert waited.wait(DEADLINE_S)
    thread.join()


@pytest.mark.parametrize("idle", [False, True])
def test_who_takes_long_to_prepare_is_waited_for_once(idle: bool) -> None:
    clock = Clock()
    arrivals = Arrivals(clock)
    arrivals.received()
    assert clock.waited_s(arrivals, idle=idle) == pytest.approx(PREPARING_S, abs=0.003)
    assert not arrivals.await_company(idle=idle)


def test_those_whose_answers_ended_together_are_awaited_until_they_are_back() -> None:
    clock = Clock()
    arrivals = Arrivals(clock)
    arrivals.ended(2)
    assert clock.waited_s(arrivals) == pytest.approx(RETURNING_S, abs=0.003)
    assert not arrivals.await_company(idle=True), "nobody is expected any more"
    arrivals.ended(3)
    clock.now_s += RETURNING_S - 0.003
    come(arrivals, 1)
    assert arrivals.await_company(idle=False), "the others are behind that one"
    come(arrivals, 2)
    assert not arrivals.await_company(idle=False), "all are here"


def test_after_several_at_a_time_the_first_of_the_next_ones_waits_for_the_others() -> None:
    clock = Clock()
    arrivals = Arrivals(clock)
    come(arrivals, 3)
    assert not arrivals.await_company(idle=True)
    clock.now_s += 60
    come(arrivals, 1)
    assert not arrivals.await_company(idle=False), "others write"
    assert clock.waited_s(arrivals) == pytest.approx(BEHIND_S, abs=0.003)
    clock.now_s += 60
    come(arrivals, 1)
    assert not arrivals.await_company(idle=True), "the one before came alone"


def test_whoever_asks_again_and_again_is_not_held_up() -> None:
    clock = Clock()
    arrivals = Arrivals(clock)
    for pause_s in (0.001, 0.001, 60, 0.001):
        come(arrivals, 1)
        assert not arrivals.await_company(idle=True)
        arrivals.ended(1)
        clock.now_s += pause_s


def test_no_wait_is_longer_than_its_bound() -> None:
    class Busy(Clock):
        """Whenever somebody looks at it, another request comes."""

        come = False

        def __call__(self) -> float:
            if self.come:
                self.come = False
                arrivals.received()
                self.come = True
            return super().__call__()

    clock = Busy()
    arrivals = Arrivals(clock)
    arrivals.received()
    clock.come = True
    assert clock.waited_s(arrivals) == pytest.approx(LONGEST_S, abs=0.003)
