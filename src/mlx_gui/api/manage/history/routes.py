"""`/v1/metrics/history`: rates, memory and requests over time."""

import time
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.history.translate import Known, history_body
from mlx_gui.api.manage.samples.translate import (
    FINE_STEPS_S,
    LONGEST_STEP_S,
    MOST_POINTS,
    steps_of,
)
from mlx_gui.core.errors import InternalError
from mlx_gui.store.errors import StoreError
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.history import HistoryBody

_HOUR_S = 3600

router = APIRouter(
    tags=["Server"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)


@router.get(
    "/v1/metrics/history",
    operation_id="get_metrics_history",
    summary="Show rates, memory and requests over time",
)
async def get_metrics_history(
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
            ge=1,
            le=LONGEST_STEP_S,
            description=f"Seconds of a step, of which there are at most {MOST_POINTS}; by default "
            "as suits the range. A quarter of an hour is known by the second, a day by ten "
            "seconds, what is older by five minutes.",
        ),
    ] = None,
) -> HistoryBody:
    """Equal steps. Where nothing is known there are nulls, not zeros."""
    now_s = time.time()
    steps = steps_of(start=start, end=end, step_s=step, now_s=now_s, usual_s=FINE_STEPS_S)
    history, records = services.machine.history, services.requests.records
    try:
        known = Known(
            samples=await history.series(from_s=steps.from_s, to_s=steps.to_s, step_s=steps.step_s),
            marks=await history.marks(from_s=steps.from_s, to_s=steps.to_s),
            requests=await records.figures(
                from_s=steps.from_s, to_s=steps.to_s, step_s=steps.step_s
            ),
            failed_last_hour=await records.failed_since(now_s - _HOUR_S),
        )
    except StoreError as error:
        raise InternalError(error.message, hint=error.hint) from error
    config = services.server.config
    kept = bool(config.requests_kept and config.requests_retention_days)
    return history_body(known, steps, records_kept=kept)
