"""Many streams at once, and what became of them."""

import http.client
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.timing import Timing


@dataclass(frozen=True, slots=True)
class Crowd:
    """`timings` are those of the answers that were finished, of `asked`."""

    asked: int
    timings: list[Timing]
    took_s: float

    def rate(self) -> float:
        """Tokens a second, of all together."""
        return sum(timing.tokens for timing in self.timings) / self.took_s

    def first_p95_s(self) -> float:
        """The time until the first token that 95 of 100 answers keep; infinite without any."""
        firsts_s = sorted(timing.first_s for timing in self.timings)
        return firsts_s[math.ceil(len(firsts_s) * 0.95) - 1] if firsts_s else math.inf

    def finished_percent(self) -> float:
        return 100 * len(self.timings) / self.asked


def crowd(asks: Sequence[Callable[[], Timing]], *, at_once: int) -> Crowd:
    """Asks them all, so many at once, each as soon as another has its answer."""
    began_s = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(_outcome, asks))
    took_s = time.perf_counter() - began_s
    return Crowd(len(asks), [timing for timing in found if timing is not None], took_s)


def _outcome(ask: Callable[[], Timing]) -> Timing | None:
    try:
        return ask()
    except (RuntimeError, OSError, http.client.HTTPException):
        return None
