"""`/v1/notices`: what the server tells by itself, and the way back from an eviction."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.notices.translate import notice_body, notice_list
from mlx_gui.control.notices.notices import KEPT
from mlx_gui.control.notices.undoing import undo
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.notices import DismissedNotices, NoticeList, RemovedNotice, UndoneEviction

_LARGEST_NUMBER = 2**63 - 1

Cursor = Annotated[int | None, Query(ge=0, le=_LARGEST_NUMBER)]
NoticeId = Annotated[int, Path(ge=1, le=_LARGEST_NUMBER)]

router = APIRouter(
    tags=["Server"],
    dependencies=[requires("admin")],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.get(
    "/v1/notices", operation_id="list_notices", summary="What the server has told by itself"
)
async def list_notices(
    services: InjectedServices,
    after: Annotated[Cursor, Query(description="The first ones after this `seq`.")] = None,
    limit: Annotated[int, Query(ge=1, le=KEPT)] = KEPT,
) -> NoticeList:
    """Evictions, failures, low disks and memory, in the order in which they were told.

    Whoever follows asks for those after the `seq` of the last one, or reads them from
    `/v1/events?topics=notices`. Kept are the last hundred since the server began.
    """
    notices = services.notices
    return notice_list(notices.all(), last=notices.last, after=after, limit=limit)


@router.delete("/v1/notices", operation_id="dismiss_notices", summary="Dismiss all notices")
async def dismiss_notices(
    services: InjectedServices,
    until: Annotated[
        Cursor, Query(description="Only those up to this `seq`, which somebody has seen.")
    ] = None,
) -> DismissedNotices:
    """They are shown nowhere any more."""
    return DismissedNotices(dismissed=services.notices.dismiss_all(until=until))


@router.delete("/v1/notices/{notice_id}", operation_id="dismiss_notice", summary="Dismiss a notice")
async def dismiss_notice(services: InjectedServices, notice_id: NoticeId) -> RemovedNotice:
    """It is shown nowhere any more."""
    services.notices.dismiss(notice_id)
    return RemovedNotice(id=notice_id)


@router.post(
    "/v1/notices/{notice_id}/undo",
    operation_id="undo_eviction",
    summary="Take an eviction back",
    dependencies=[requires("models:manage")],
)
async def undo_eviction(services: InjectedServices, notice_id: NoticeId) -> UndoneEviction:
    """The models that left are loaded again with what they had; the answer does not wait for that.

    The one that they left for leaves if its room is needed, unless somebody uses it. Where another
    one had to leave, nothing is done. What was taken back before is so again.
    """
    await services.machine.device.ensure()
    undone = await undo(
        services.notices,
        notice_id,
        library=services.models.library,
        run_loop=services.models.run_loop,
    )
    return UndoneEviction(
        notice=notice_body(undone.notice),
        loading=list(undone.returned.loading),
        unloading=undone.returned.leaves,
    )
