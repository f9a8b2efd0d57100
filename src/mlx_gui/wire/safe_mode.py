"""The JSON of safe mode."""

from pydantic import BaseModel


class SafeModeBody(BaseModel):
    """Whether the server loads nothing by itself; `reason` is null while it is not active."""

    active: bool
    reason: str | None
