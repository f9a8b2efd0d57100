"""What the policy decided lately, and why: its one owner."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from mlx_gui.core.chart_mark import ChartMarkKind
from mlx_gui.core.plan import PolicyAction, PolicyDecision

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

KEPT = 200


class OnMark(Protocol):
    """Hears what happens to models, for charts; called on the event loop, must not block."""

    def __call__(
        self, kind: ChartMarkKind, model: str, /, *, cause: str | None = None, text: str = ""
    ) -> None: ...


def unmarked(
    kind: ChartMarkKind, model: str, /, *, cause: str | None = None, text: str = ""
) -> None:
    """What hears of it where no charts are drawn."""


def marks(*hearers: OnMark) -> OnMark:
    """Has all of `hearers` hear of it."""

    def mark(
        kind: ChartMarkKind, model: str, /, *, cause: str | None = None, text: str = ""
    ) -> None:
        for hear in hearers:
            hear(kind, model, cause=cause, text=text)

    return mark


class DecisionLog:
    """The last `KEPT` decisions. One that is made again, as a wait is at every event, is one.

    `on_mark` hears of those by which a model comes or leaves.
    """

    def __init__(self, clock: Callable[[], float], *, on_mark: OnMark = unmarked) -> None:
        self._clock = clock
        self._on_mark = on_mark
        self._kept: deque[PolicyDecision] = deque(maxlen=KEPT)
        self._latest: dict[str, tuple[PolicyAction, str | None, str]] = {}

    def note(
        self, action: PolicyAction, subject: str, *, reason: str, cause: str | None = None
    ) -> None:
        """Keep a decision about the model `subject`, for the sake of the model `cause` if any."""
        # How many answers a drain waits for changes with each of them.
        decision = (action, cause, "" if action == "drain" else reason)
        if self._latest.get(subject) == decision:
            return
        self._latest[subject] = decision
        self._kept.append(PolicyDecision(self._clock(), action, subject, cause, reason))
        if action not in ("wait", "drain", "refuse", "shrink"):
            self._on_mark(action, subject, cause=cause, text=reason)
        level = log.debug if action in ("wait", "drain") else log.info
        level("decided", action=action, model=subject, cause=cause, reason=reason)

    def of(self, model_id: str | None = None) -> tuple[PolicyDecision, ...]:
        """The newest first; with `model_id` only those that it suffered or caused."""
        return tuple(
            each
            for each in reversed(self._kept)
            if model_id is None or model_id in (each.subject, each.cause)
        )
