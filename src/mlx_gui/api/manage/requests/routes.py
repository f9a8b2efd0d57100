"""`/v1/requests`: who asked what, how it went, and an end for what is under way."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.requests.translate import ended_request, running_request
from mlx_gui.api.model_view import unix_time
from mlx_gui.api.services import Services
from mlx_gui.control.requests.tracking import FollowedRequest
from mlx_gui.core.ask import Outcome
from mlx_gui.core.errors import Conflict, NotFound
from mlx_gui.store.requests import Wanted
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.requests import CancelledRequest, RequestList, RequestObject

MOST_AT_ONCE = 1000
_LARGEST_NUMBER = 2**63 - 1

Cursor = Annotated[int | None, Query(ge=0, le=_LARGEST_NUMBER)]

router = APIRouter(
    tags=["Requests"],
    dependencies=[requires("admin")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)


@router.get(
    "/v1/requests", operation_id="list_requests", summary="Requests under way, and how others went"
)
async def list_requests(
    services: InjectedServices,
    model: Annotated[str | None, Query(description="Of the model with this id.")] = None,
    outcome: Annotated[
        Outcome | None, Query(description="That ended so; leaves out those under way.")
    ] = None,
    endpoint: Annotated[
        str | None, Query(description="Sent to this path, like `/v1/chat/completions`.")
    ] = None,
    tenant: Annotated[str | None, Query(description="Of this tenant.")] = None,
    since: Annotated[
        datetime | None, Query(description="That ended then or later; without a zone it is UTC.")
    ] = None,
    after: Annotated[Cursor, Query(description="The first ones after this `seq`.")] = None,
    before: Annotated[Cursor, Query(description="The last ones before this `seq`.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 100,
) -> RequestList:
    """In the order of their ends. Without `after` and `before` the last ones.

    Whoever follows sends the `seq` of the last one as `after` when `/v1/events?topics=requests`
    tells of more.
    """
    since_s = None if since is None else unix_time(since, "since")
    wanted = Wanted(model, outcome, endpoint, tenant, since_s)
    page = await services.requests.records.find(wanted, limit=limit, after=after, before=before)
    running = [
        _running(services, each)
        for each in services.requests.tracker.running()
        if outcome is None and _fits(each, wanted)
    ]
    return RequestList(
        data=[ended_request(record) for record in page.records],
        running=running,
        last=services.requests.records.last,
        has_more=page.more,
    )


@router.get("/v1/requests/{id}", operation_id="get_request", summary="How one request went")
async def get_request(services: InjectedServices, id: str) -> RequestObject:
    """By the id of its answer or by its `x-request-id`; of several the newest."""
    if (followed := services.requests.tracker.find(id)) is not None:
        return _running(services, followed)
    record = await services.requests.records.get(id)
    if record is None:
        raise _unknown(id)
    return ended_request(record)


@router.post(
    "/v1/requests/{id}/cancel", operation_id="cancel_request", summary="End a request under way"
)
async def cancel_request(services: InjectedServices, id: str) -> CancelledRequest:
    """Its client gets an error. 409 when it has ended already."""
    followed = services.requests.tracker.find(id)
    if followed is None:
        record = await services.requests.records.get(id)
        if record is None:
            raise _unknown(id)
        raise Conflict(f"The request {id} has ended already: {record.outcome}.")
    state = followed.state
    await services.models.run_loop.cancel(followed.ask.id)
    return CancelledRequest(id=followed.ask.id, status=state)


def _running(services: Services, followed: FollowedRequest) -> RequestObject:
    view = services.models.run_loop.snapshot().models.get(followed.model)
    return running_request(followed, loading=view is not None and view.state == "loading")


def _unknown(id: str) -> NotFound:
    return NotFound(
        f"There is no request {id!r}.",
        hint="GET /v1/requests lists those that are known; old ones are forgotten.",
    )


def _fits(followed: FollowedRequest, wanted: Wanted) -> bool:
    ask = followed.ask
    pairs = (
        (wanted.model, followed.model),
        (wanted.endpoint, ask.endpoint),
        (wanted.tenant, ask.tenant),
    )
    return all(asked is None or asked == is_ for asked, is_ in pairs)
