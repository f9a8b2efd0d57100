"""The fetch as a child process: it says how far it is, ends when told, and dies without harm."""

import asyncio
import hashlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.fetching import FetchOrder
from mlx_gui.ipc.child import Child
from mlx_gui.ipc.messages import (
    PROTOCOL_VERSION,
    ErrandDone,
    FetchLimit,
    FetchProgress,
    FromChild,
    StartFailed,
    StartFetch,
)
from tests.unit.fetch.shelf import Shelf, always, file_on, order_of, refuse, serving

BIG = os.urandom(9 * 1024 * 1024)
DEADLINE_S = 60


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serving() as made:
        made.put("big", BIG)
        yield made


def play(
    order: FetchOrder, react: Callable[[Child, FromChild], Coroutine[Any, Any, None]]
) -> tuple[list[FromChild], bool]:
    """What the child said, and whether it ended cleanly."""

    async def scenario() -> tuple[list[FromChild], bool]:
        async with asyncio.timeout(DEADLINE_S):
            child = await Child.start("fetch", StartFetch(PROTOCOL_VERSION, order), {})
            said: list[FromChild] = []
            async for message in child.messages():
                said.append(message)
                await react(child, message)
            return said, (await child.wait()).clean

    return asyncio.run(scenario())


async def listen(child: Child, message: FromChild) -> None:
    """Does nothing."""


def test_a_child_fetches_and_ends(shelf: Shelf, tmp_path: Path) -> None:
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"))
    said, clean = play(order, listen)
    assert isinstance(said[-1], ErrandDone)
    assert clean
    assert Path(order.files[0].target).read_bytes() == BIG
    done = [each.state.done_bytes for each in said if isinstance(each, FetchProgress)]
    assert done == sorted(done)
    assert done[-1] == len(BIG)


def test_what_it_cannot_have_is_told_without_the_token(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("big", BIG, always(refuse(403)))
    said, _ = play(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big")), listen)
    failed = said[-1]
    assert isinstance(failed, StartFailed)
    assert failed.error.code == "gated_model"
    assert "hf_secret" not in repr(failed)


def test_it_stops_when_it_is_told_and_keeps_what_it_has(shelf: Shelf, tmp_path: Path) -> None:
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"), bytes_per_s=1024 * 1024)

    async def stop(child: Child, message: FromChild) -> None:
        if isinstance(message, FetchProgress) and message.state.done_bytes:
            await child.stop(ask_s=DEADLINE_S, terminate_s=1)

    said, clean = play(order, stop)
    assert clean
    assert not isinstance(said[-1], ErrandDone)
    shelf.given_bytes.clear()

    async def hurry(child: Child, message: FromChild) -> None:
        child.send(FetchLimit(0))

    said, _ = play(order, hurry)
    assert isinstance(said[-1], ErrandDone)
    assert shelf.given_bytes["big"] < len(BIG)


@pytest.mark.parametrize("after_bytes", [0, 1_000_000, 3_000_000])
def test_one_that_is_killed_is_taken_up_by_the_next(
    shelf: Shelf, tmp_path: Path, after_bytes: int
) -> None:
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"), bytes_per_s=4 * 1024 * 1024)
    kept = 0

    async def kill(child: Child, message: FromChild) -> None:
        nonlocal kept
        if isinstance(message, FetchProgress) and message.state.done_bytes >= after_bytes:
            kept = max(kept, message.state.done_bytes)
            child.signal(signal.SIGKILL)

    _, clean = play(order, kill)
    assert not clean
    said, _ = play(order, listen)
    states = [each.state for each in said if isinstance(each, FetchProgress)]
    # What was told before was on the disk.
    assert states[0].done_bytes >= kept
    assert states[-1].came_bytes == len(BIG) - states[0].done_bytes
    content = Path(order.files[0].target).read_bytes()
    assert hashlib.sha256(content).hexdigest() == order.files[0].digest
