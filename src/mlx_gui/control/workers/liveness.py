"""Whether a worker's MLX thread still answers; pure, its clock is the caller's."""

from dataclasses import dataclass
from typing import Literal

Look = Literal["fine", "ask", "hung"]
_LOOKS_IN_A_TIMEOUT = 4
_LONGEST_INTERVAL_S = 15.0
_MISSED_LOOKS = 2


@dataclass(slots=True)
class Liveness:
    """The watch over one worker. `look` is called every `interval_s`, the others as things happen.

    A worker that is at work and says nothing is asked at the next look, an idle one after the
    whole timeout. One that owes an answer for the whole timeout hangs.
    """

    timeout_s: float
    heard_s: float
    looked_s: float
    asked_s: float | None = None

    @classmethod
    def since(cls, now_s: float, *, timeout_s: float) -> "Liveness":
        """The watch over a worker that has just been heard."""
        return cls(timeout_s, heard_s=now_s, looked_s=now_s)

    @property
    def interval_s(self) -> float:
        return min(self.timeout_s / _LOOKS_IN_A_TIMEOUT, _LONGEST_INTERVAL_S)

    def heard(self, now_s: float) -> None:
        """The MLX thread has said something."""
        self.heard_s = now_s
        self.asked_s = None

    def look(self, now_s: float, *, busy: bool) -> Look:
        """What is to be done now; after `ask` the worker is to be pinged."""
        late = now_s - self.looked_s > _MISSED_LOOKS * self.interval_s
        self.looked_s = now_s
        if self.asked_s is not None:
            if late:
                # We were the one who slept; its answer may lie there unread.
                self.asked_s = now_s
            return "hung" if now_s - self.asked_s >= self.timeout_s else "fine"
        patience_s = self.interval_s if busy else self.timeout_s
        if now_s - self.heard_s < patience_s:
            return "fine"
        self.asked_s = now_s
        return "ask"
