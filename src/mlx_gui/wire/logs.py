"""The JSON of the server's log."""

from typing import Any, Literal

from pydantic import BaseModel

LogLevel = Literal["debug", "info", "warning", "error", "critical"]


class LogLineBody(BaseModel):
    """A line of the log. `seq` counts from 1 since the server began."""

    seq: int
    at: str
    level: str
    event: str
    fields: dict[str, Any]


class LogList(BaseModel):
    """Lines in the order in which they came.

    `last` is the number of the newest line of all. `has_more` says that there are more after these,
    or without `after` before them.
    """

    data: list[LogLineBody]
    last: int
    has_more: bool


class LogsEvent(BaseModel):
    """There are new lines: `GET /v1/logs?after=` has them.

    A `last` that is less than before says that the server has begun anew.
    """

    last: int
