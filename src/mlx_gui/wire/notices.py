"""The JSON of what the server tells by itself."""

from typing import Literal

from pydantic import BaseModel

NoticeKind = Literal[
    "evicted",
    "model_failed",
    "job_failed",
    "job_paused",
    "disk_low",
    "memory_critical",
    "safe_mode",
    "newer_version",
]


class NoticeBody(BaseModel):
    """Something that the server tells by itself. `message` is all of it in a sentence.

    `seq` grows with everything that is told; news that say the same again renew their notice, with
    a new `seq` and a higher `count`. `subject` is what it is about: for `evicted` the model that
    room was made for, for the others a model, the title of a job, a folder, a version, or null.
    `models` have left, and `client` is what the client calls itself whose request wanted the room.
    `reason` is why, without the rest of the sentence. `undo` says whether an eviction can be taken
    back.
    """

    id: int
    seq: int
    at: str
    kind: NoticeKind
    level: Literal["info", "warning", "error"]
    message: str
    subject: str | None
    models: list[str]
    client: str | None
    reason: str | None
    hint: str | None
    job: str | None
    count: int
    undo: Literal["possible", "done"] | None


class NoticeList(BaseModel):
    """Notices in the order of their `seq`, of which the newest of all is `last`.

    `has_more` says that there are more after these, or without `after` before them.
    """

    data: list[NoticeBody]
    last: int
    has_more: bool


class RemovedNotice(BaseModel):
    """A notice that was dismissed, or that has made room for newer ones."""

    id: int


class DismissedNotices(BaseModel):
    """So many notices were dismissed."""

    dismissed: int


class UndoneEviction(BaseModel):
    """An eviction that was taken back: `loading` are on their way, `unloading` leaves for them.

    Nothing of both where all are there already.
    """

    notice: NoticeBody
    loading: list[str]
    unloading: str | None
