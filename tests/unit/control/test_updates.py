"""When the package index is asked for newer versions, and who hears what it says."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mlx_gui.control.notices.news import News
from mlx_gui.control.updates import DAY_S, Updates
from mlx_gui.core.errors import FetchFailed
from mlx_gui.store.updates import UPDATES_FILE, IndexAnswer, recall_answer, remember_answer
from mlx_gui.version import __version__


class Asking:
    """Updates of a data directory, by a clock and an index of the test."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.now_s = 1_800_000_000.0
        self.asked = 0
        self.wanted = True
        self.says: str | FetchFailed = "99.1"
        self.told: list[News] = []
        self.changes = 0

    def updates(self, ask: Callable[[Callable[[], bool]], str] | None = None) -> Updates:
        """As a server that starts now has them."""
        return Updates(
            self.data_dir,
            wanted=lambda: self.wanted,
            tell=self.told.append,
            changed=self._changed,
            ask=ask or self._ask,
            clock=lambda: self.now_s,
        )

    def _ask(self, given_up: Callable[[], bool]) -> str:
        self.asked += 1
        if isinstance(self.says, FetchFailed):
            raise self.says
        return self.says

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    return Asking(tmp_path)


def test_nobody_is_asked_who_was_not_to_be_asked(asking: Asking) -> None:
    asking.wanted = False
    updates = asking.updates()
    asyncio.run(updates.look())
    assert (asking.asked, updates.state, asking.told) == (0, None, [])


def test_a_newer_version_is_told_once_a_run_and_kept_for_the_next(asking: Asking) -> None:
    updates = asking.updates()

    async def looks() -> None:
        await updates.look()
        await updates.look()

    asyncio.run(looks())
    assert asking.asked == 1
    assert [(each.kind, each.subject) for each in asking.told] == [("newer_version", "99.1")]
    assert asking.changes > 0
    later = asking.updates()
    asyncio.run(later.look())
    assert asking.asked == 1
    assert len(asking.told) == 2
    state = later.state
    assert state is not None
    assert (state.newest, state.newer, state.asked_at) == ("99.1", True, asking.now_s)


def test_an_index_without_a_newer_version_is_no_news(asking: Asking) -> None:
    asking.says = __version__
    updates = asking.updates()
    asyncio.run(updates.look())
    assert updates.state is not None
    assert (updates.state.newest, updates.state.newer, asking.told) == (__version__, False, [])


def test_a_question_without_an_answer_counts_and_leaves_what_was_known(asking: Asking) -> None:
    asyncio.run(asking.updates().look())
    asking.says = FetchFailed("The package index was too slow.")
    asking.now_s += DAY_S
    updates = asking.updates()
    asyncio.run(updates.look())
    asyncio.run(updates.look())
    assert asking.asked == 2
    assert updates.state is not None
    assert (updates.state.newest, updates.state.problem) == (
        "99.1",
        "The package index was too slow.",
    )
    asking.says = "99.2"
    asking.now_s += DAY_S
    asyncio.run(updates.look())
    assert (updates.state.newest, updates.state.problem) == ("99.2", None)


def test_a_clock_that_was_wrong_does_not_end_all_asking(asking: Asking) -> None:
    remember_answer(asking.data_dir, IndexAnswer(asked_at=asking.now_s + 1000 * DAY_S))
    asyncio.run(asking.updates().look())
    assert asking.asked == 1


@pytest.mark.parametrize("content", [b"{", b'{"newest": 7}', b'{"newest": "<script>"}'])
def test_a_file_that_somebody_has_changed_says_nothing(asking: Asking, content: bytes) -> None:
    (asking.data_dir / UPDATES_FILE).write_bytes(content)
    asking.says = FetchFailed("There is none.")
    updates = asking.updates()
    asyncio.run(updates.look())
    assert asking.asked == 1
    assert updates.state is not None
    assert updates.state.newest is None
    assert asking.told == []


def test_where_nothing_can_be_kept_it_is_known_until_the_end(tmp_path: Path) -> None:
    asking = Asking(tmp_path / "gone")
    updates = asking.updates()
    asyncio.run(updates.look())
    asyncio.run(updates.look())
    assert asking.asked == 1
    assert recall_answer(asking.data_dir) == IndexAnswer()


def test_whoever_is_cancelled_waits_for_no_index(asking: Asking) -> None:
    asked, ended = threading.Event(), threading.Event()

    def ask(given_up: Callable[[], bool]) -> str:
        asked.set()
        while not given_up():
            threading.Event().wait(0.01)
        ended.set()
        raise FetchFailed("It was not waited for.")

    async def cancelled() -> None:
        looking = asyncio.create_task(asking.updates(ask).look())
        await asyncio.to_thread(asked.wait)
        looking.cancel()
        await asyncio.wait((looking,))

    asyncio.run(cancelled())
    assert ended.wait(60)
