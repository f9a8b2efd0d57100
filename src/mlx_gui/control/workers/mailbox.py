"""The events of one request between the worker that produces and the client that reads."""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from mlx_gui.core.generation import (
    Audio,
    Delta,
    Event,
    Failed,
    Prefill,
    Usage,
)


class Mailbox:
    """One writer, one reader, on the event loop.

    The writer never waits. What the reader has not taken yet is merged: neighbouring deltas into
    one, pieces of sound as well, newer progress over older, so that the memory held is bounded by
    the answer itself. A reader that leaves the oldest event lying for `stall_s` is reported once by
    `on_stall`.
    """

    def __init__(self, *, stall_s: float, on_stall: Callable[[], None]) -> None:
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._stall_s = stall_s
        self._on_stall: Callable[[], None] | None = on_stall
        self._waiting_since_s: float | None = None
        self.closed = False
        """Whether a terminal event has been put."""

    def put(self, event: Event) -> None:
        """Add an event; anything after the terminal one is dropped."""
        if self.closed:
            return
        self.closed = isinstance(event, Usage | Failed)
        last = self._events[-1] if self._events else None
        merged = _merge(last, event) if last is not None else None
        if merged is None:
            self._events.append(event)
        else:
            self._events[-1] = merged
        self._arrived.set()
        self._notice_stall()

    async def get(self) -> Event:
        """The oldest event; waits for one."""
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        self._waiting_since_s = None
        return self._events.popleft()

    def _notice_stall(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._waiting_since_s is None:
            self._waiting_since_s = now_s
        elif self._on_stall is not None and now_s - self._waiting_since_s > self._stall_s:
            report, self._on_stall = self._on_stall, None
            report()


def _merge(last: Event, new: Event) -> Event | None:
    if isinstance(last, Delta) and isinstance(new, Delta):
        if (last.index, last.channel, last.call) != (new.index, new.channel, new.call):
            return None
        return msgspec.structs.replace(
            last,
            text=last.text + new.text,
            token_count=last.token_count + new.token_count,
            logprobs=last.logprobs + new.logprobs,
            until_s=new.until_s,
        )
    if isinstance(last, Audio) and isinstance(new, Audio) and last.index == new.index:
        return Audio(last.index, last.data + new.data)
    if isinstance(last, Prefill) and isinstance(new, Prefill):
        return new
    return None
