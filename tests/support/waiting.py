"""Waiting for what another thread or process does, with a deadline."""

import time
from collections.abc import Callable

DEADLINE_S = 90.0
_LOOK_AGAIN_S = 0.01


def wait_until(
    condition: Callable[[], object], *, what: str, deadline_s: float = DEADLINE_S
) -> None:
    """Returns when `condition` holds; fails the test, naming `what` was awaited, if it never does.

    Only for what gives no event to wait on: another process, a log line.
    """
    ends_at_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < ends_at_s, f"waited {deadline_s:g} s for {what}"
        time.sleep(_LOOK_AGAIN_S)
