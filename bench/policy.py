"""How long the policy thinks, with 100 models of which 60 are loaded and 1,000 requests that wait.

One decision is what follows each event of the run loop: who is next in each queue, and one step
for each model that is wanted and not there. Compared is a house of twice that: what grows faster
than the house would one day hold everybody up. Nothing else runs in the process.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.context import Context
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, figure_row, ratio_row
from mlx_gui.control.residency.policy import Limits, Resident, Wanted, decide
from mlx_gui.control.residency.queue import FairQueue
from mlx_gui.core.ask import Ask
from mlx_gui.core.generation import DetokenizeRequest
from mlx_gui.core.model import MemoryNeed

_MODELS, _QUEUED = 100, 1000
_LOADED_SHARE = 0.6
_NOW_S = 100.0
_DECISIONS_A_ROUND = 100


@dataclass(slots=True)
class _Asked:
    ask: Ask
    enqueued_s: float


def measure(context: Context) -> list[Row]:
    """The time of one decision, and that of one in a house of twice the size by it."""
    sides = {
        times: _timed(house(models=_MODELS * times, queued=_QUEUED * times)) for times in (1, 2)
    }
    found = interleave(sides, rounds=context.rounds)
    once, twice = found[1]["ms"], found[2]["ms"]
    return [
        figure_row("one decision", once, "ms", Bound("≤", 1)),
        ratio_row("with twice the models and requests", twice, once, "ms", Bound("≤", 2.2)),
    ]


def house(*, models: int, queued: int) -> Callable[[], int]:
    """Takes one decision in a house of so many models and waiting requests; returns its steps."""
    dice = random.Random(1)
    loaded = int(models * _LOADED_SHARE)
    queues = [_queue(dice, number, queued // models) for number in range(models)]
    residents = [_resident(dice, number, len(queues[number])) for number in range(loaded)]
    limits = Limits(5 * loaded, 10 * loaded, 64 * loaded // 60, turn_s=20)

    def one_decision() -> int:
        wanted = [
            Wanted(f"m{number}", MemoryNeed(5, 0, 0, 9), since_s=queue.oldest_s() or 0)
            for number, queue in enumerate(queues)
            if number >= loaded
        ]
        for queue in queues[:loaded]:
            next(queue.in_order(_NOW_S))
        return len(decide(wanted, residents, limits=limits, now_s=_NOW_S))

    return one_decision


def _timed(one_decision: Callable[[], int]) -> Callable[[], Sample]:
    def decisions() -> Sample:
        began_s = time.perf_counter()
        for _ in range(_DECISIONS_A_ROUND):
            one_decision()
        return {"ms": (time.perf_counter() - began_s) / _DECISIONS_A_ROUND * 1000}

    return decisions


def _queue(dice: random.Random, number: int, length: int) -> FairQueue[_Asked]:
    queue = FairQueue[_Asked]()
    for place in range(length):
        ask = Ask(
            f"{number}-{place}",
            DetokenizeRequest((1,)),
            "completion",
            tenant=dice.choice("abc"),
            priority=dice.randint(-1, 1),
        )
        queue.push(_Asked(ask, dice.random() * _NOW_S))
    return queue


def _resident(dice: random.Random, number: int, queued: int) -> Resident:
    return Resident(
        f"m{number}",
        dice.randint(1, 9),
        "ready",
        leases=dice.randint(0, 1),
        queued=queued,
        last_used_s=dice.random() * _NOW_S,
        turn_ends_s=dice.random() * 2 * _NOW_S,
    )
