"""What the server tells by itself: from what happens to a list that everybody reads."""

import asyncio
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from mlx_gui.control.notices.disks import DiskWatch, low_disks
from mlx_gui.control.notices.news import News, job_news, pressure_news, safe_mode_news
from mlx_gui.control.notices.notices import KEPT, Notices
from mlx_gui.control.notices.undoing import undo
from mlx_gui.control.residency.departures import Departure
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.core.errors import ErrorInfo, ModelNotFound, NotFound
from mlx_gui.core.job import Job, JobState
from mlx_gui.core.model import Model


class Board:
    """Notices whose clock stands still until it is moved, and whom they told."""

    def __init__(self) -> None:
        self.published: list[str] = []
        self.now_s = 0.0
        self.notices = Notices(self.published.append, clock=lambda: self.now_s)

    @property
    def messages(self) -> list[str]:
        return [each.news.message for each in self.notices.all()]


def job(state: JobState, *, error: bool = True) -> Job:
    info = ErrorInfo("disk_full", "The disk is full.", "Free some space.") if error else None
    return Job("job-1", "download", "{}", "Download org/a", state, 0.0, 0.0, error=info)


def test_who_left_for_one_load_is_one_notice_that_names_the_client() -> None:
    board = Board()
    for name in ("a", "b"):
        board.notices.departed(Departure(name, "idle for 5 s", "c", client="codex/1.0"))
    assert board.messages == [
        "a, b were unloaded to make room for c, which codex/1.0 asked for: idle for 5 s."
    ]
    (notice,) = board.notices.all()
    assert (notice.id, notice.seq, notice.count, notice.undo) == (1, 2, 1, "possible")
    assert board.published == ["1", "1"]


def test_who_leaves_for_the_next_load_or_much_later_is_told_of_anew() -> None:
    board = Board()
    board.notices.departed(Departure("a", "idle", "c"))
    board.notices.marked("load", "c")
    board.notices.departed(Departure("b", "idle", "c"))
    board.now_s += 3600
    board.notices.departed(Departure("d", "idle", "c"))
    board.notices.departed(Departure("e", "memory pressure is critical"))
    assert [len(each.news.departures) for each in board.notices.all()] == [1, 1, 1, 1]
    assert board.messages[-1] == "e was unloaded: memory pressure is critical."


def test_the_same_again_renews_its_notice() -> None:
    board = Board()
    board.notices.marked("failure", "a", text="It ran out of memory.")
    board.notices.tell(safe_mode_news("It ended badly."))
    board.notices.marked("failure", "a", text="It crashed.")
    assert board.messages == ["It ended badly.", "a failed: It crashed."]
    failed = board.notices.get(1)
    assert (failed.seq, failed.count, board.notices.last) == (3, 2, 3)


def test_an_eviction_that_was_taken_back_can_be_again_once_it_happens_again() -> None:
    board = Board()
    board.notices.departed(Departure("a", "idle", "b"))
    (notice,) = board.notices.all()
    assert board.notices.undone(notice).undo == "done"
    assert board.notices.get(notice.id).undo == "done"
    board.notices.marked("load", "b")
    board.notices.departed(Departure("a", "idle", "b"))
    (again,) = board.notices.all()
    assert (again.id, again.count, again.undo) == (notice.id, 2, "possible")
    board.notices.undone(notice)
    assert board.notices.get(notice.id).undo == "possible", "that was the one before"


def test_the_list_is_bounded_and_its_oldest_goes() -> None:
    board = Board()
    for number in range(KEPT + 3):
        board.notices.marked("failure", f"m{number}", text="It crashed.")
    assert [each.seq for each in board.notices.all()] == list(range(4, KEPT + 4))
    assert board.published[-1] == "3"


def test_what_somebody_has_seen_is_dismissed_and_no_more() -> None:
    board = Board()
    for name in "abc":
        board.notices.marked("failure", name, text="It crashed.")
    assert board.notices.dismiss_all(until=2) == 2
    assert [each.id for each in board.notices.all()] == [3]
    board.notices.dismiss(3)
    with pytest.raises(NotFound, match="no notice 3"):
        board.notices.dismiss(3)
    assert board.notices.dismiss_all() == 0


def test_an_eviction_of_a_model_that_was_removed_is_not_taken_back() -> None:
    class Empty:
        async def find(self, name: str) -> Model:
            raise ModelNotFound(f"The model '{name}' is not installed.")

    board = Board()
    board.notices.departed(Departure("a", "idle", "b"))
    with pytest.raises(ModelNotFound, match="a is not installed any more"):
        asyncio.run(
            undo(board.notices, 1, library=cast(Any, Empty()), run_loop=cast(RunLoop, None))
        )
    assert board.notices.get(1).undo == "possible"


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("running", job("failed"), "job_failed"),
        ("running", job("paused"), "job_paused"),
        ("running", job("paused", error=False), None),
        ("running", job("queued"), None),
        ("running", job("done", error=False), None),
        ("failed", job("failed"), None),
        (None, job("failed"), None),
    ],
)
def test_of_jobs_is_told_what_has_failed_or_rests_by_itself(
    before: JobState | None, after: Job, kind: str | None
) -> None:
    news = job_news(before, after)
    assert (news and news.kind) == kind


def test_a_job_is_told_of_once_for_each_time_that_it_fails() -> None:
    board = Board()
    for state in ("queued", "running", "failed", "failed", "queued", "running", "failed"):
        board.notices.job_is("job-1", job(state))
    (notice,) = board.notices.all()
    assert (notice.count, notice.news.job, notice.news.hint) == (2, "job-1", "Free some space.")
    board.notices.job_is("job-1", None)
    board.notices.job_is("job-1", job("failed"))
    assert board.notices.get(notice.id).count == 2, "what was forgotten is not known"


def test_only_memory_that_is_nearly_full_is_told_of() -> None:
    assert pressure_news("normal") is None
    assert pressure_news("warn") is None
    critical = pressure_news("critical")
    assert critical is not None
    assert critical.kind == "memory_critical"


def test_a_low_disk_is_told_of_once_until_it_has_had_room(tmp_path: Path) -> None:
    told: list[News] = []
    reserves = count(0)
    set_bytes = {0: 2**50, 1: 2**50, 2: 1, 3: 2**50}
    watch = DiskWatch(
        folders=lambda: [tmp_path, tmp_path, tmp_path / "away"],
        reserve_bytes=lambda: set_bytes[next(reserves)],
        tell=told.append,
    )

    async def look(times: int) -> None:
        for _ in range(times):
            await watch.look()

    asyncio.run(look(3))
    assert [(each.kind, each.subject) for each in told] == [("disk_low", str(tmp_path))]
    asyncio.run(look(1))
    assert len(told) == 2


def test_a_disk_is_low_until_a_little_more_than_the_reserve_is_free(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    assert low_disks([tmp_path], set_bytes=1, known=frozenset({device})) == {}
    assert set(low_disks([tmp_path], set_bytes=2**50, known=frozenset())) == {device}
