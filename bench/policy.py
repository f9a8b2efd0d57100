"""How long the policy thinks, with 100 models of which 60 are loaded and 1,000 requests that wait.

One decision is what follows each event of the run loop: who is next in each queue, and one step
for each model that is wanted and not there. Nothing else runs in the process.
"""

import random
import time
from dataclasses import dataclass

from bench.context import Context
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, figure_row
from mlx_gui.control.residency.policy import Limits, Resident, Wanted, decide
from mlx_gui.control.residency.queue import FairQueue
from mlx_gui.core.model import MemoryNeed

_MODELS, _LOADED, _QUEUED = 100, 60, 1000
_NOW_S = 100.0
_DECISIONS_A_ROUND = 100


@dataclass(slots=True)
class _Asked:
    request_id: str
    tenant: str
    priority: int
    enqueued_s: float


def measure(context: Context) -> list[Row]:
    """The time of one decision; nothing to compare with."""
    dice = random.Random(1)
    queues = [_queue(dice, number) for number in range(_MODELS)]
    residents = [_resident(dice, number, len(queues[number])) for number in range(_LOADED)]
    limits = Limits(5 * _LOADED, 10 * _LOADED, 64, turn_s=20)

    def one_decision() -> int:
        wanted = [
            Wanted(f"m{number}", MemoryNeed(5, 0, 0, 9), since_s=queue.oldest_s() or 0)
            for number, queue in enumerate(queues)
            if number >= _LOADED
        ]
        for queue in queues[:_LOADED]:
            queue.head(_NOW_S)
        return len(decide(wanted, residents, limits=limits, now_s=_NOW_S))

    def decisions() -> Sample:
        began_s = time.perf_counter()
        for _ in range(_DECISIONS_A_ROUND):
            one_decision()
        return {"ms": (time.perf_counter() - began_s) / _DECISIONS_A_ROUND * 1000}

    found = interleave({"decisions": decisions}, rounds=context.rounds)["decisions"]
    return [figure_row("one decision", found["ms"], "ms", Bound("≤", 1))]


def _queue(dice: random.Random, number: int) -> FairQueue[_Asked]:
    queue = FairQueue[_Asked]()
    for place in range(_QUEUED // _MODELS):
        tenant, priority = dice.choice("abc"), dice.randint(-1, 1)
        queue.push(_Asked(f"{number}-{place}", tenant, priority, dice.random() * _NOW_S))
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
