"""What every family does with the events of an answer: gather them, or stream them.

A family brings what is its own: how a gathered answer reads as JSON, and how an event reads as the
bytes of a stream.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from starlette.types import Receive

from mlx_gui.api.hangup import first_of, hang_up
from mlx_gui.core.errors import Cancelled, WorkerFailed, from_info
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Event,
    Failed,
    FinishReason,
    Prepared,
    TokenLogprob,
    Usage,
)


class Collector(Protocol):
    """Takes the events of an answer, one after the other; raises what ends it badly."""

    def feed(self, event: Event) -> object: ...


T = TypeVar("T")
C = TypeVar("C", bound=Collector)


@dataclass(slots=True)
class GatheredCall:
    """A tool call; `arguments` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str = ""


@dataclass(slots=True)
class GatheredChoice:
    """One sequence of an answer. `stop` is the stop string that ended it, if one did."""

    text: str = ""
    reasoning: str = ""
    calls: list[GatheredCall] = field(default_factory=list[GatheredCall])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    finish_reason: FinishReason | None = None
    stop: str | None = None


class Gathering:
    """Puts a whole answer together; `choices` are by index."""

    def __init__(self) -> None:
        self.choices: dict[int, GatheredChoice] = {}
        self.prepared = Prepared(0)
        self.usage: Usage | None = None

    def feed(self, event: Event) -> None:
        """Take the next event. Raises what a Failed carries, and Cancelled."""
        match event:
            case Prepared():
                self.prepared = event
            case Delta():
                self._add(self._choice(event.index), event)
            case CallStarted(index=index, id=id, name=name):
                self._choice(index).calls.append(GatheredCall(id, name))
            case Done(index=index, finish_reason=reason, stop=stop):
                choice = self._choice(index)
                choice.finish_reason, choice.stop = answered(reason), stop
            case Usage():
                self.usage = event
            case Failed(error=info):
                raise from_info(info)
            case _:
                pass

    def complete(self) -> tuple[list[GatheredChoice], Usage]:
        """The choices in order, and the usage. Raises WorkerFailed when events are missing."""
        choices = [choice for _, choice in sorted(self.choices.items())]
        if self.usage is None or not choices or any(c.finish_reason is None for c in choices):
            raise broken_off()
        return choices, self.usage

    def _choice(self, index: int) -> GatheredChoice:
        return self.choices.setdefault(index, GatheredChoice())

    def _add(self, choice: GatheredChoice, delta: Delta) -> None:
        match delta.channel:
            case "content":
                choice.text += delta.text
                choice.logprobs.extend(delta.logprobs)
            case "reasoning":
                choice.reasoning += delta.text
            case "tool_call":
                choice.calls[delta.call].arguments += delta.text


def answered(reason: FinishReason) -> FinishReason:
    """`reason` if it ends an answer well. Raises Cancelled or WorkerFailed for the others."""
    if reason == "cancelled":
        raise Cancelled("The answer was stopped before it was complete.")
    if reason == "error":
        raise broken_off()
    return reason


def broken_off() -> WorkerFailed:
    """The error of a stream of events that ended too early."""
    return WorkerFailed("The answer broke off before it was complete.", hint="Send it again.")


async def feed(collector: C, events: AsyncGenerator[Event], receive: Receive) -> C:
    """`collector`, which got all of `events`; a client that hangs up ends them with Cancelled."""
    return await first_of(_feed(collector, events), hang_up(receive))


async def encoded(
    events: AsyncGenerator[Event], encode: Callable[[Event], bytes]
) -> AsyncGenerator[bytes]:
    """The bytes that a stream says `events` with; those that say nothing are left out."""
    async with aclosing(events):
        async for event in events:
            if data := encode(event):
                yield data


async def only(events: AsyncGenerator[Event], kind: type[T], receive: Receive) -> T:
    """The one event of `kind` among `events`, which end meanwhile. Raises what a Failed carries."""

    async def find() -> T:
        found: T | None = None
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Failed):
                    raise from_info(event.error)
                if isinstance(event, kind):
                    found = event
        if found is None:
            raise broken_off()
        return found

    return await first_of(find(), hang_up(receive))


async def _feed(collector: C, events: AsyncGenerator[Event]) -> C:
    async with aclosing(events):
        async for event in events:
            collector.feed(event)
    return collector
