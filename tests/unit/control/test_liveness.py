"""Who is asked when, and after which silence a worker hangs."""

import pytest

from mlx_gui.control.workers.liveness import Liveness, Look


def watched(
    until_s: float, *, busy: bool, answers_after_s: float | None
) -> list[tuple[float, Look]]:
    """What a watch of 60 s did up to `until_s`, over a worker that answers or does not."""
    liveness = Liveness.since(0.0, timeout_s=60.0)
    done: list[tuple[float, Look]] = []
    answer_s: float | None = None
    now_s = 0.0
    while now_s < until_s:
        now_s += liveness.interval_s
        if answer_s is not None and answer_s <= now_s:
            liveness.heard(answer_s)
            answer_s = None
        look = liveness.look(now_s, busy=busy)
        if look != "fine":
            done.append((now_s, look))
        if look == "ask" and answers_after_s is not None:
            answer_s = now_s + answers_after_s
        if look == "hung":
            break
    return done


@pytest.mark.parametrize(("busy", "asked_s"), [(True, 15.0), (False, 60.0)])
def test_a_silent_worker_is_asked_and_hangs_when_it_owes_the_answer_too_long(
    busy: bool, asked_s: float
) -> None:
    done = watched(1000, busy=busy, answers_after_s=None)
    assert done == [(asked_s, "ask"), (asked_s + 60, "hung")]


@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("answers_after_s", [0.001, 14.0, 59.0])
def test_a_worker_that_answers_in_time_is_asked_again_and_never_hangs(
    busy: bool, answers_after_s: float
) -> None:
    looks = [look for _, look in watched(1000, busy=busy, answers_after_s=answers_after_s)]
    assert set(looks) == {"ask"}
    assert len(looks) > 5


def test_a_worker_that_speaks_is_not_asked() -> None:
    liveness = Liveness.since(0.0, timeout_s=60.0)
    for tick in range(1, 100):
        liveness.heard(tick * 15.0 - 1)
        assert liveness.look(tick * 15.0, busy=True) == "fine"


def test_after_our_own_sleep_the_worker_gets_its_whole_time_again() -> None:
    liveness = Liveness.since(0.0, timeout_s=60.0)
    assert liveness.look(15.0, busy=True) == "ask"
    slept_s = 10_000.0
    assert liveness.look(slept_s, busy=True) == "fine"
    for tick in range(1, 4):
        assert liveness.look(slept_s + tick * 15.0, busy=True) == "fine"
    assert liveness.look(slept_s + 60.0, busy=True) == "hung"


def test_a_long_timeout_still_looks_now_and_then() -> None:
    assert Liveness.since(0.0, timeout_s=3600).interval_s == 15.0
    assert Liveness.since(0.0, timeout_s=1).interval_s == 0.25
