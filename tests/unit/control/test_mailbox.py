"""A mailbox never makes the writer wait, loses no text, and stays small."""

import asyncio

from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.core.generation import (
    Audio,
    Delta,
    Done,
    Event,
    Prefill,
    Result,
    Usage,
)


def never() -> None:
    raise AssertionError("nobody stalls here")


async def drain(mailbox: Mailbox) -> list[Event]:
    events: list[Event] = []
    while not events or not isinstance(events[-1], Usage):
        events.append(await mailbox.get())
    return events


def test_unread_deltas_become_one_and_no_token_is_lost() -> None:
    async def scenario() -> None:
        mailbox = Mailbox(stall_s=60, on_stall=never)
        for _ in range(1000):
            mailbox.put(Delta(0, "ab"))
        mailbox.put(Done(0, "stop"))
        mailbox.put(Usage(1, 1000))
        events = await drain(mailbox)
        assert events == [Delta(0, "ab" * 1000, token_count=1000), Done(0, "stop"), Usage(1, 1000)]

    asyncio.run(scenario())


def test_deltas_of_different_choices_stay_apart() -> None:
    async def scenario() -> None:
        mailbox = Mailbox(stall_s=60, on_stall=never)
        sent = [Delta(0, "a"), Delta(1, "b"), Delta(1, "c", channel="reasoning"), Usage(1, 3)]
        for event in sent:
            mailbox.put(event)
        assert await drain(mailbox) == sent

    asyncio.run(scenario())


def test_unread_sound_becomes_one_piece_and_results_stay_apart() -> None:
    async def scenario() -> None:
        mailbox = Mailbox(stall_s=60, on_stall=never)
        sent = [Audio(0, b"ab"), Audio(0, b"cd"), Audio(1, b"e"), Result(0, b"x"), Result(0, b"y")]
        for event in (*sent, Usage(0, 0, audio_ms=20)):
            mailbox.put(event)
        merged = [Audio(0, b"abcd"), Audio(1, b"e"), Result(0, b"x"), Result(0, b"y")]
        assert await drain(mailbox) == [*merged, Usage(0, 0, audio_ms=20)]

    asyncio.run(scenario())


def test_newer_progress_replaces_older() -> None:
    async def scenario() -> None:
        mailbox = Mailbox(stall_s=60, on_stall=never)
        for event in (Prefill(1, 9), Prefill(5, 9), Prefill(9, 9)):
            mailbox.put(event)
        mailbox.put(Usage(0, 0))
        assert await drain(mailbox) == [Prefill(9, 9), Usage(0, 0)]

    asyncio.run(scenario())


def test_nothing_follows_the_terminal_event() -> None:
    async def scenario() -> None:
        mailbox = Mailbox(stall_s=60, on_stall=never)
        mailbox.put(Usage(1, 1))
        mailbox.put(Delta(0, "late"))
        assert await drain(mailbox) == [Usage(1, 1)]
        assert mailbox.closed

    asyncio.run(scenario())


def test_a_reader_that_takes_nothing_is_reported_once() -> None:
    async def scenario() -> None:
        reports: list[int] = []
        mailbox = Mailbox(stall_s=0, on_stall=lambda: reports.append(1))
        mailbox.put(Delta(0, "a"))
        clock = asyncio.get_running_loop()
        began_s = clock.time()
        while not reports:
            assert clock.time() - began_s < 30
            mailbox.put(Delta(0, "b"))
        mailbox.put(Delta(0, "c"))
        mailbox.put(Delta(0, "d"))
        assert reports == [1]

    asyncio.run(scenario())
