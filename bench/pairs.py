"""Interleaved measurements: what disturbs the machine for a while disturbs every side alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key")
Sample = Mapping[str, float]
"""One measurement of one side: numbers by name."""

_REST_S = 0.3


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some numbers, and how far they reach."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """The spread of `values`, of which there must be one."""
    return Spread(statistics.median(values), min(values), max(values))


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """The ratio of each pair: over a run the machine may change more than the sides differ."""
    return [a / b for a, b in zip(over, under, strict=True)]


def differences(minuend: Sequence[float], subtrahend: Sequence[float]) -> list[float]:
    """The difference of each pair."""
    return [a - b for a, b in zip(minuend, subtrahend, strict=True)]


def interleave(
    sides: Mapping[Key, Callable[[], Sample]], *, rounds: int, rest_s: float = _REST_S
) -> dict[Key, dict[str, list[float]]]:
    """Every side's numbers by its name and theirs, in the order of the rounds.

    A round measures each side once. The rest before each measurement lets the side before it
    finish what it still computes in the background.
    """
    found: dict[Key, dict[str, list[float]]] = {name: {} for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            time.sleep(rest_s)
            for key, value in measure().items():
                found[name].setdefault(key, []).append(value)
    return found
