"""Samples between the store and JSON, and the steps that a range is cut into."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mlx_gui.api.model_view import unix_time, utc_time
from mlx_gui.control.machine.history import by_step
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.store.samples import ModelParts, Sample
from mlx_gui.wire.samples import ModelSample, SamplePoint, SampleSeries
from mlx_gui.wire.status import MemoryStatus

MOST_POINTS = 2000
LONGEST_STEP_S = 30 * 86_400
_USUAL_POINTS = 360
_USUAL_RANGE_S = 3600
_STEPS_S = (10, 30, 60, 300, 900, 3600, 21_600, 86_400)
FINE_STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21_600, 86_400)


@dataclass(frozen=True, slots=True)
class Steps:
    """Unix times; `from_s` and `to_s` are multiples of `step_s`, and `to_s` is outside."""

    from_s: int
    to_s: int
    step_s: int


def steps_of(
    *,
    start: datetime | None,
    end: datetime | None,
    step_s: int | None,
    now_s: float,
    usual_s: Sequence[int] = _STEPS_S,
) -> Steps:
    """The steps that cover the range; by default the hour before `end`, which is by default now.

    Where no step is asked for it is the first of `usual_s` that makes no more than 360. A time
    without a zone is UTC. Raises InvalidRequest.
    """
    end_s = now_s if end is None else unix_time(end, "to")
    start_s = end_s - _USUAL_RANGE_S if start is None else unix_time(start, "from")
    if start_s >= end_s:
        raise InvalidRequest(
            f"`from` should be before `to`, which is {utc_time(end_s)}, not {utc_time(start_s)}.",
            param="from",
        )
    range_s = end_s - start_s
    if step_s is None:
        fit = (each for each in usual_s if range_s <= each * _USUAL_POINTS)
        step_s = next(fit, usual_s[-1])
    from_s = math.floor(start_s / step_s) * step_s
    to_s = math.ceil(end_s / step_s) * step_s
    points = (to_s - from_s) // step_s
    if points > MOST_POINTS:
        least_s = math.ceil(range_s / (MOST_POINTS - 1))
        coarser = f" or for a `step` of {least_s} s or more" if least_s <= LONGEST_STEP_S else ""
        raise InvalidRequest(
            f"{points} points are more than {MOST_POINTS}: {range_s:.0f} s in steps of {step_s} s.",
            hint=f"Ask for a shorter range{coarser}.",
            param="step",
        )
    return Steps(from_s, to_s, step_s)


def sample_series(samples: Sequence[Sample], steps: Steps) -> SampleSeries:
    """A point for every step, empty where there is no sample."""
    known = by_step(samples, steps.step_s)
    return SampleSeries(
        step_s=steps.step_s,
        points=[
            _point(at_s, known.get(at_s)) for at_s in range(steps.from_s, steps.to_s, steps.step_s)
        ],
    )


def to_sample(memory: MemoryStatus, *, at_s: float, active: int, queued: int) -> Sample:
    """What is shown of the memory, as the store keeps it."""
    return Sample(
        at_s=int(at_s),
        total_bytes=memory.total_bytes,
        available_bytes=memory.available_bytes,
        other_apps_bytes=memory.other_apps_bytes,
        budget_bytes=memory.budget_bytes,
        used_by_models_bytes=memory.used_by_models_bytes,
        active_requests=active,
        queued_requests=queued,
        models={
            segment.model_id: ModelParts(
                segment.weights_bytes, segment.kv_bytes, segment.prefix_bytes, segment.other_bytes
            )
            for segment in memory.segments
        },
    )


def _point(at_s: int, sample: Sample | None) -> SamplePoint:
    if sample is None:
        return SamplePoint(at=utc_time(at_s))
    return SamplePoint(
        at=utc_time(at_s),
        total_bytes=sample.total_bytes,
        available_bytes=sample.available_bytes,
        other_apps_bytes=sample.other_apps_bytes,
        budget_bytes=sample.budget_bytes,
        used_by_models_bytes=sample.used_by_models_bytes,
        active_requests=sample.active_requests,
        queued_requests=sample.queued_requests,
        models={
            model_id: ModelSample(
                weights_bytes=parts.weights_bytes,
                kv_bytes=parts.kv_bytes,
                prefix_bytes=parts.prefix_bytes,
                other_bytes=parts.other_bytes,
            )
            for model_id, parts in sample.models.items()
        },
    )
