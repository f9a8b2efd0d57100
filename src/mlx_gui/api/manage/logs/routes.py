"""`/v1/logs`: the last lines of the server's log."""

import asyncio
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.log_tail import LogLine, LogQuery
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.logs import LogLevel, LogLineBody, LogList

MOST_AT_ONCE = 1000
_LARGEST_NUMBER = 2**63 - 1

Cursor = Annotated[int | None, Query(ge=0, le=_LARGEST_NUMBER)]

router = APIRouter(
    tags=["Server"],
    dependencies=[requires("admin")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)


@router.get("/v1/logs", operation_id="list_log_lines", summary="The last lines of the log")
async def list_log_lines(
    services: InjectedServices,
    level: Annotated[LogLevel, Query(description="From this level on.")] = "debug",
    model: Annotated[str | None, Query(description="About the model with this id.")] = None,
    request_id: Annotated[
        str | None, Query(description="Of the request with this `x-request-id`.")
    ] = None,
    after: Annotated[Cursor, Query(description="The first ones after this `seq`.")] = None,
    before: Annotated[Cursor, Query(description="The last ones before this `seq`.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 100,
) -> LogList:
    """In the order in which they came. Without `after` and `before` the last ones.

    Whoever follows sends the `seq` of the last one as `after` when `/v1/events?topics=logs` tells
    of more. Kept are the last few thousand lines since the start, from the `log_level` on.
    """
    tail = services.server.logs
    wanted = LogQuery(level, model, request_id)
    find = partial(tail.find, wanted, limit=limit, after=after, before=before)
    # Read before the lines: what comes meanwhile is then asked for once more, and not missed.
    last = tail.last
    lines, more = await asyncio.to_thread(find)
    return LogList(data=[_body(line) for line in lines], last=last, has_more=more)


def _body(line: LogLine) -> LogLineBody:
    fields = msgspec.json.decode(line.fields, type=dict[str, Any])
    return LogLineBody(seq=line.seq, at=line.at, level=line.level, event=line.event, fields=fields)
