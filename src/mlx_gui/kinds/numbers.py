"""Counts out of a config.json, in which anything may stand anywhere."""

from collections.abc import Mapping
from typing import cast


def number(part: Mapping[str, object], *names: str) -> int:
    """The first of `names` that holds a count; of a count per layer the largest; else 0."""
    for name in names:
        if counts := _counts(part.get(name)):
            return max(counts)
    return 0


def total(part: Mapping[str, object], name: str) -> int:
    """What a count per layer comes to."""
    return sum(_counts(part.get(name)))


def _counts(value: object) -> list[int]:
    members = cast(list[object], value) if isinstance(value, list) else [value]
    return [each for each in members if type(each) is int and 0 < each < 2**31]
