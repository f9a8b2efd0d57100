"""What the tray tells of by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mlx_gui.desktop.view import ENDED, View
from mlx_gui.wire.notices import NoticeBody

NoticeKind = Literal[
    "download_done", "download_failed", "model_failed", "evicted", "memory", "server", "action"
]
APART_S = 60.0
"""Between two notices of one kind."""

_SETTINGS = {
    "download_done": "notify_downloads",
    "download_failed": "notify_downloads",
    "model_failed": "notify_failures",
    "evicted": "notify_evictions",
    "memory": "notify_memory",
    "server": "notify_failures",
}
"""By kind; that something did not work which somebody has chosen is always told."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a native notification says."""

    kind: NoticeKind
    title: str
    text: str = ""


def notices(before: View, after: View) -> list[Notice]:
    """What has happened between the two that somebody wants to know; nothing of what was before.

    Of a server that was not seen before there is no news. Where it is gone, what it had been set to
    tell holds on.
    """
    asked = after if after.settings is not None else before
    return [
        notice
        for notice in _happened(before, after)
        # A server that does not know the setting is told of as by default.
        if asked.setting(_SETTINGS[notice.kind]) is not False
    ]


def _happened(before: View, after: View) -> Iterator[Notice]:
    if after.phase == "stopped" and after.problem and after.problem != before.problem:
        yield Notice("server", "The server has ended", after.problem)
    if before.phase != "running" or after.phase != "running":
        return
    under_way = {each.id for each in before.downloads if each.state not in ENDED}
    for download in after.downloads:
        if download.id not in under_way:
            continue
        if download.state == "done":
            yield Notice("download_done", "Download finished", download.model_id)
        elif download.state == "failed":
            reason = "" if download.error is None else f": {download.error.message}"
            yield Notice("download_failed", "Download failed", f"{download.model_id}{reason}")
    states = {model.id: model.state for model in before.models}
    for model in after.models:
        if model.state == "failed" and states.get(model.id) not in (None, "failed"):
            reason = "" if model.error is None else f": {model.error.message}"
            yield Notice("model_failed", "A model failed", f"{model.id}{reason}")
    told = max((each.seq for each in before.notices or ()), default=-1)
    for news in after.notices or ():
        if before.notices is not None and news.kind == "evicted" and news.seq > told:
            yield Notice("evicted", _evicted_title(news), news.message)
    memory = (before.memory, after.memory)
    pressures = [None if each is None else each.pressure for each in memory]
    if pressures[1] == "critical" and pressures[0] not in (None, "critical"):
        yield Notice("memory", "Memory is nearly full", "Models are unloaded to make room.")


def _evicted_title(news: NoticeBody) -> str:
    return "Models were unloaded" if len(news.models) > 1 else "A model was unloaded"


@dataclass(slots=True)
class Calm:
    """Lets through one notice of a kind a minute."""

    told_at_s: dict[NoticeKind, float]

    def lets_through(self, notice: Notice, *, now_s: float) -> bool:
        """Whether `notice` may be shown now; then it counts as shown."""
        if notice.kind == "action":
            return True
        last_s = self.told_at_s.get(notice.kind)
        if last_s is not None and now_s - last_s < APART_S:
            return False
        self.told_at_s[notice.kind] = now_s
        return True
