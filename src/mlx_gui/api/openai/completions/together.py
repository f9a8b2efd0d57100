"""Several requests that are answered as one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from mlx_gui.api.answers import broken_off
from mlx_gui.core.generation import CallStarted, Delta, Done, Event, Failed, Usage

T = TypeVar("T")


async def together(
    streams: Sequence[AsyncGenerator[Event]], *, n: int, at_once: int
) -> AsyncGenerator[Event]:
    """The events of requests with `n` sequences each, as if they were of one with all of them.

    Sequences are numbered request after request; one Usage ends it, the sum of all. The first
    Failed is the last event. At most `at_once` streams run; whatever runs is closed at the end.
    """
    waiting = iter(range(len(streams)))
    running: dict[asyncio.Task[Event | None], int] = {}

    def go_on(number: int) -> None:
        running[asyncio.create_task(_next(streams[number]))] = number

    usages: list[Usage] = []
    try:
        for number in islice(waiting, at_once):
            go_on(number)
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda each: running[each]):
                number = running.pop(task)
                match task.result():
                    case Usage() as usage:
                        usages.append(usage)
                        await streams[number].aclose()
                        for another in islice(waiting, 1):
                            go_on(another)
                    case Failed() as failed:
                        yield failed
                        return
                    case None:
                        raise broken_off()
                    case event:
                        yield _renumbered(event, first=number * n)
                        go_on(number)
        yield _sum(usages)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for stream in streams:
            await stream.aclose()


async def _next(stream: AsyncGenerator[T]) -> T | None:
    return await anext(stream, None)


def _renumbered(event: Event, *, first: int) -> Event:
    if isinstance(event, Delta | CallStarted | Done):
        return msgspec.structs.replace(event, index=first + event.index)
    return event


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(
        prompt_tokens=sum(each.prompt_tokens for each in usages),
        completion_tokens=sum(each.completion_tokens for each in usages),
        cached_tokens=sum(each.cached_tokens for each in usages),
        prefill_ms=sum(each.prefill_ms for each in usages),
        decode_ms=sum(each.decode_ms for each in usages),
        reasoning_tokens=sum(each.reasoning_tokens for each in usages),
    )
