"""Samples of a time past, by the second or by the day: of memory and of the file, as one."""

import math
from collections.abc import Callable, Iterable

from mlx_gui.control.machine.recent import RecentSamples, merged
from mlx_gui.core.chart_mark import ChartMark
from mlx_gui.store.samples import COARSE_S, Sample, SampleStore


class SampleHistory:
    """What charts are drawn from. `waiting` has what happened and is not in the file yet."""

    def __init__(
        self,
        store: SampleStore,
        recent: RecentSamples,
        *,
        waiting: Callable[[], tuple[ChartMark, ...]],
    ) -> None:
        self.recent = recent
        self._store = store
        self._waiting = waiting

    async def series(self, *, from_s: int, to_s: int, step_s: int) -> dict[int, Sample]:
        """What is known, by the begin of each step in which anything is. Raises StoreError.

        A sample that stands for longer than a step is that of each step that it covers.
        """
        young = self.recent.since(from_s)
        cut_s = math.ceil(young[0].at_s / step_s) * step_s if young else to_s
        old = await self._store.series(
            from_s=from_s - math.ceil(COARSE_S / step_s) * step_s,
            to_s=min(cut_s, to_s),
            step_s=step_s,
        )
        steps: dict[int, list[Sample]] = {}
        for each in young:
            if each.at_s >= cut_s:
                steps.setdefault(each.at_s - each.at_s % step_s, []).append(each)
        known = by_step(old, step_s) | {at_s: merged(each) for at_s, each in steps.items()}
        return {at_s: sample for at_s, sample in known.items() if from_s <= at_s < to_s}

    async def marks(self, *, from_s: float, to_s: float) -> tuple[ChartMark, ...]:
        """What happened meanwhile, in its order. Raises StoreError."""
        waiting = self._waiting()
        kept = await self._store.marks(from_s=from_s, to_s=to_s)
        new = (each for each in waiting if from_s <= each.at < to_s and each not in kept)
        return (*kept, *new)


def by_step(samples: Iterable[Sample], step_s: int) -> dict[int, Sample]:
    """Each sample by the step that it begins in, and by those that it covers besides."""
    found = {each.at_s: each for each in samples}
    for each in list(found.values()):
        for at_s in range(each.at_s + step_s, each.at_s + each.span_s, step_s):
            found.setdefault(at_s, each)
    return found
