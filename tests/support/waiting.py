"""Waiting for what another thread or process does, with a deadline."""

import time
from collections.abc import Callable

DEADLINE_S = 90.0
_LOOK_AGAIN_S = 0.01
_WIDER = 1.3
_LOOK_AGAIN_AT_MOST_S = 0.1
"""Apart, once it has taken longer: each look costs both whoever looks and whoever is looked at."""


def wait_until(
    condition: Callable[[], object], *, what: str, deadline_s: float = DEADLINE_S
) -> None:
    """Returns when `condition` holds; fails the test, naming `what` was awaited, if it never does.

    Only for what gives no event to wait on: another process, a log line.
    """
    ends_at_s = time.monotonic() + deadline_s
    apart_s = _LOOK_AGAIN_S
    while not condition():
        assert time.monotonic() < ends_at_s, f"waited {deadline_s:g} s for {what}"
        time.sleep(apart_s)
        apart_s = min(apart_s * _WIDER, _LOOK_AGAIN_AT_MOST_S)
