"""What the server has told of by itself, for whoever was not there: its one owner."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from mlx_gui.control.notices.news import (
    News,
    eviction,
    job_news,
    model_failure,
)
from mlx_gui.control.residency.departures import Departure
from mlx_gui.core.chart_mark import ChartMarkKind
from mlx_gui.core.errors import NotFound
from mlx_gui.core.job import Job, JobState

KEPT = 100
_TOGETHER_S = 60.0
"""Who leaves for a load later than that is told of by itself; somebody may have given it up."""


@dataclass(frozen=True, slots=True)
class Notice:
    """News with its place in the list; `at` is Unix time.

    `seq` counts what was told since the server began, so that the list in its order is one by
    `seq`. News that say the same again renew their notice: it keeps its `id`, and `count` grows.
    `undone` says that an eviction was taken back.
    """

    id: int
    seq: int
    at: float
    news: News
    count: int = 1
    undone: bool = False

    @property
    def undo(self) -> Literal["possible", "done"] | None:
        """Whether it can be taken back, or has been."""
        if self.news.kind != "evicted":
            return None
        return "done" if self.undone else "possible"


class Notices:
    """The last `KEPT` notices, in memory. Called on the event loop.

    `publish` is told the id of each notice that came, changed or went.
    """

    def __init__(self, publish: Callable[[str], None], *, clock: Callable[[], float]) -> None:
        self._publish = publish
        self._clock = clock
        self._kept: dict[int, Notice] = {}
        self._last = 0
        self._making_room: dict[str, int] = {}
        """The notice of the evictions for a model that is not being loaded yet, by that model."""
        self._jobs: dict[str, JobState] = {}

    # --- what has happened -------------------------------------------------------------------

    def tell(self, news: News | None) -> None:
        """Keep what there is to tell; the oldest goes for it where there are too many."""
        if news is None:
            return
        twin = next((each for each in self._kept.values() if each.news.same == news.same), None)
        self._put(news, twin)

    def departed(self, departure: Departure) -> None:
        """A model is evicted. Those that leave for one load of another are one notice."""
        cause = departure.cause
        known = None if cause is None else self._kept.get(self._making_room.get(cause, 0))
        if known is None or self._clock() - known.at > _TOGETHER_S:
            self.tell(eviction([departure]))
        else:
            self._put(eviction([*known.news.departures, departure]), known, count=known.count)
        if cause is not None:
            self._making_room[cause] = next(reversed(self._kept))

    def marked(
        self, kind: ChartMarkKind, model: str, /, *, cause: str | None = None, text: str = ""
    ) -> None:
        """What charts name has happened to `model`."""
        if kind == "failure":
            self.tell(model_failure(model, text))
        elif kind == "load":
            self._making_room.pop(model, None)

    def job_is(self, job_id: str, job: Job | None) -> None:
        """A job has changed, or is forgotten."""
        if job is None:
            self._jobs.pop(job_id, None)
            return
        before, self._jobs[job_id] = self._jobs.get(job_id), job.state
        self.tell(job_news(before, job))

    def _put(self, news: News, twin: Notice | None, *, count: int | None = None) -> None:
        """Keep `news` as the newest, in the place of `twin`."""
        self._last += 1
        if twin is None:
            notice = Notice(self._last, self._last, self._clock(), news)
        else:
            del self._kept[twin.id]
            count = twin.count + 1 if count is None else count
            notice = Notice(twin.id, self._last, self._clock(), news, count)
        self._kept[notice.id] = notice
        self._publish(str(notice.id))
        if len(self._kept) > KEPT:
            self.dismiss(next(iter(self._kept)))

    # --- what becomes of it ------------------------------------------------------------------

    @property
    def last(self) -> int:
        """The `seq` of what was told last; 0 before the first."""
        return self._last

    def all(self) -> list[Notice]:
        """The oldest first."""
        return list(self._kept.values())

    def get(self, notice_id: int) -> Notice:
        """Raises NotFound."""
        notice = self._kept.get(notice_id)
        if notice is None:
            raise NotFound(
                f"There is no notice {notice_id}.",
                hint="`GET /v1/notices` shows those that there are; it may have been dismissed.",
            )
        return notice

    def dismiss(self, notice_id: int) -> None:
        """It is shown no more. Raises NotFound."""
        self.get(notice_id)
        del self._kept[notice_id]
        self._publish(str(notice_id))

    def dismiss_all(self, *, until: int | None = None) -> int:
        """So many are shown no more: all, or those up to the `seq` `until`."""
        seen = [each.id for each in self.all() if until is None or each.seq <= until]
        for notice_id in seen:
            self.dismiss(notice_id)
        return len(seen)

    def undone(self, notice: Notice) -> Notice:
        """`notice`, whose eviction was taken back, unless it has been told anew meanwhile."""
        if self._kept.get(notice.id) == notice:
            self._kept[notice.id] = replace(notice, undone=True)
            self._publish(str(notice.id))
        return replace(notice, undone=True)
