"""A request between its arrival and its end, and its hold on a worker."""

import asyncio
from dataclasses import dataclass, replace

from mlx_gui.control.requests.observing import RequestObserver
from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.core.ask import Ask, RequestEnd, end_of
from mlx_gui.core.errors import ErrorInfo
from mlx_gui.core.generation import Failed
from mlx_gui.core.model import Model


@dataclass(slots=True)
class Submission:
    """A request on its way to a worker, until its end.

    `tried_again` says that its worker died and another is to answer it. One whose prompt was
    `too_long` waits for a context of `room_tokens`. `cancelled` is what its reader was told when
    somebody ended it, and `ended` says that its end has been told.
    """

    ask: Ask
    model: Model
    mailbox: Mailbox
    observer: RequestObserver
    enqueued_s: float
    keep_alive_s: float | None = None
    tried_again: bool = False
    cancelled: ErrorInfo | None = None
    ended: bool = False
    too_long: ErrorInfo | None = None
    room_tokens: int = 0
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def fail(self, error: ErrorInfo, *, given_up: bool = False) -> None:
        """Answer with `error`, which is its end; nobody reads it if it was given up."""
        last = Failed(error)
        self.mailbox.put(last)
        self.end(end_of(last, given_up=given_up))

    def end(self, end: RequestEnd) -> None:
        """Tell its end, unless that was done."""
        self.stop_timer()
        if not self.ended:
            self.ended = True
            if self.cancelled is not None:
                end = replace(end, outcome="cancelled", error=self.cancelled)
            self.observer.ended(self.ask, end)


@dataclass(slots=True)
class Lease:
    """The hold of a request on a worker. `given_up` says that nobody reads its answer any more."""

    submission: Submission
    given_up: bool = False

    @property
    def ask(self) -> Ask:
        return self.submission.ask
