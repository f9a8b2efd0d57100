"""The last minutes second by second, in memory, and what becomes of them in the file."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from mlx_gui.store.samples import ModelParts, Sample

KEPT_S = 900
_PAST_THE_SECOND_S = 0.02
"""So much that no clock says that it is the second before."""
_LONGEST_SPAN_S = 30
"""After a longer silence the machine has slept: nothing is known of that time."""


class RecentSamples:
    """Looks once a second, and keeps what it saw for a quarter of an hour.

    `look` returns the present, with the tokens since it was last called. `on_look` is called after
    each.
    """

    def __init__(self, look: Callable[[], Sample], *, on_look: Callable[[], None]) -> None:
        self._look = look
        self._on_look = on_look
        self._kept: deque[Sample] = deque(maxlen=KEPT_S)
        self._untaken: list[Sample] = []

    async def run(self) -> None:
        """Look at the end of each second, until cancelled."""
        while True:
            await asyncio.sleep(1 + _PAST_THE_SECOND_S - time.time() % 1)
            self.look()

    @property
    def latest(self) -> Sample | None:
        """None before the first look."""
        return self._kept[-1] if self._kept else None

    @property
    def moved(self) -> bool:
        """Whether the last two looks differ in what was made and who was there."""
        if len(self._kept) < 2:
            return True
        before, last = self._kept[-2], self._kept[-1]
        return _work(before) != _work(last)

    def look(self) -> None:
        """Keep the time since the last look."""
        sample = self._look()
        begin_s = sample.at_s - 1
        if self._kept:
            last = self._kept[-1]
            silent_s = sample.at_s - last.at_s - last.span_s
            if 1 < silent_s <= _LONGEST_SPAN_S:
                begin_s = sample.at_s - silent_s
        sample = replace(sample, at_s=begin_s, span_s=sample.at_s - begin_s)
        self._kept.append(sample)
        self._untaken = [*self._untaken[-_LONGEST_SPAN_S:], sample]
        self._on_look()

    def take(self) -> Sample:
        """All looks since the last call as one sample."""
        if not self._untaken:
            self.look()
        taken, self._untaken = self._untaken, []
        return merged(taken)

    def since(self, from_s: int) -> list[Sample]:
        """What is kept of `from_s` (Unix time) and later, in order."""
        return [each for each in self._kept if each.at_s + each.span_s > from_s]


def _work(sample: Sample) -> tuple[int, int, int, int]:
    made = sample.models.values()
    return (
        sample.active_requests,
        sample.queued_requests,
        sum(parts.prompt_tokens for parts in made),
        sum(parts.output_tokens for parts in made),
    )


def merged(samples: Sequence[Sample]) -> Sample:
    """At least one sample as one: the means of what is held, the most requests, all tokens."""
    first, span_s = samples[0], sum(each.span_s for each in samples)
    if len(samples) == 1:
        return first

    def mean(of: Callable[[Sample], int]) -> int:
        return sum(of(each) * each.span_s for each in samples) // span_s

    shares = [(each.cpu_share, each.span_s) for each in samples if each.cpu_share is not None]
    return Sample(
        at_s=first.at_s,
        total_bytes=mean(lambda each: each.total_bytes),
        available_bytes=mean(lambda each: each.available_bytes),
        other_apps_bytes=mean(lambda each: each.other_apps_bytes),
        budget_bytes=mean(lambda each: each.budget_bytes),
        used_by_models_bytes=mean(lambda each: each.used_by_models_bytes),
        active_requests=max(each.active_requests for each in samples),
        queued_requests=max(each.queued_requests for each in samples),
        models={
            model_id: _merged_parts(model_id, samples, span_s=span_s)
            for model_id in {model_id for each in samples for model_id in each.models}
        },
        span_s=span_s,
        cpu_share=sum(share * s for share, s in shares) / sum(s for _, s in shares)
        if shares
        else None,
    )


def _merged_parts(model_id: str, samples: Sequence[Sample], *, span_s: int) -> ModelParts:
    held = [(each.models[model_id], each.span_s) for each in samples if model_id in each.models]

    def mean(of: Callable[[ModelParts], int]) -> int:
        return sum(of(parts) * s for parts, s in held) // span_s

    return ModelParts(
        weights_bytes=mean(lambda parts: parts.weights_bytes),
        kv_bytes=mean(lambda parts: parts.kv_bytes),
        prefix_bytes=mean(lambda parts: parts.prefix_bytes),
        other_bytes=mean(lambda parts: parts.other_bytes),
        prompt_tokens=sum(parts.prompt_tokens for parts, _ in held),
        output_tokens=sum(parts.output_tokens for parts, _ in held),
    )
