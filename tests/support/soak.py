"""Which of a test's parameters are tried every time, and which by `make soak` alone."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def in_soak(*values: object) -> list[Any]:
    """Parameters that `make soak` alone tries."""
    return [pytest.param(value, marks=pytest.mark.soak) for value in values]


def mostly_in_soak(values: Iterable[object], *, but: Collection[object]) -> list[Any]:
    """All of `values` as parameters, of which only `but` are tried every time."""
    known = list(values)
    assert all(value in known for value in but), but
    return [
        value if value in but else pytest.param(value, marks=pytest.mark.soak) for value in known
    ]
