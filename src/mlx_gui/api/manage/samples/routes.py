"""`/v1/system/samples`: memory and work over time."""

import time
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.samples.translate import (
    LONGEST_STEP_S,
    MOST_POINTS,
    sample_series,
    steps_of,
)
from mlx_gui.core.errors import InternalError
from mlx_gui.store.errors import StoreError
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.samples import SampleSeries

router = APIRouter(
    tags=["Server"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)


@router.get(
    "/v1/system/samples",
    operation_id="get_system_samples",
    summary="Show memory and work over time",
)
async def get_system_samples(
    services: InjectedServices,
    start: Annotated[
        datetime | None,
        Query(alias="from", description="First moment; by default an hour before the last."),
    ] = None,
    end: Annotated[
        datetime | None, Query(alias="to", description="Last moment; by default now.")
    ] = None,
    step: Annotated[
        int | None,
        Query(
            ge=10,
            le=LONGEST_STEP_S,
            description=f"Seconds from point to point, of which there are at most {MOST_POINTS}; "
            "by default as suits the range.",
        ),
    ] = None,
) -> SampleSeries:
    """Points in equal steps. Where nothing is known there are nulls, not zeros."""
    steps = steps_of(start=start, end=end, step_s=step, now_s=time.time())
    try:
        samples = await services.machine.samples.series(
            from_s=steps.from_s, to_s=steps.to_s, step_s=steps.step_s
        )
    except StoreError as error:
        raise InternalError(error.message, hint=error.hint) from error
    return sample_series(samples, steps)
