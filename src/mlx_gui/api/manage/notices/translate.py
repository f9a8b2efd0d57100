"""Notices as JSON."""

from collections.abc import Sequence

from mlx_gui.api.model_view import utc_time
from mlx_gui.control.notices.notices import Notice
from mlx_gui.wire.notices import NoticeBody, NoticeList


def notice_body(notice: Notice) -> NoticeBody:
    """`notice` as it is now."""
    news = notice.news
    client = news.departures[0].client if news.departures else ""
    return NoticeBody(
        id=notice.id,
        seq=notice.seq,
        at=utc_time(notice.at),
        kind=news.kind,
        level=news.level,
        message=news.message,
        subject=news.subject or None,
        models=[each.model_id for each in news.departures],
        client=client or None,
        reason=news.reason or None,
        hint=news.hint or None,
        job=news.job,
        count=notice.count,
        undo=notice.undo,
    )


def notice_list(
    notices: Sequence[Notice], *, last: int, after: int | None, limit: int
) -> NoticeList:
    """The first `limit` of `notices` after the `seq` `after`; without it the last ones."""
    found = [each for each in notices if after is None or each.seq > after]
    shown = found[-limit:] if after is None else found[:limit]
    return NoticeList(
        data=[notice_body(each) for each in shown], last=last, has_more=len(found) > limit
    )
