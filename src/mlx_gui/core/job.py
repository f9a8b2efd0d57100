"""A job: work that takes long, that people see, and that they may pause or cancel."""

from typing import Literal

import msgspec

from mlx_gui.core.errors import ErrorInfo

JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]

ENDED_STATES: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


class Job(msgspec.Struct, frozen=True):
    """What is known of a job at one moment. Times are Unix seconds.

    `arguments` is the JSON of its kind. `done` of `total` are of the present stage, in `unit`;
    `total` is None where nobody knows it. `detail` is what its kind says besides, as JSON. Those
    that wait have their turn by `position`, and none before `retry_at`.
    """

    id: str
    kind: str
    arguments: str
    title: str
    state: JobState
    created_at: float
    updated_at: float
    ended_at: float | None = None
    stage: str = ""
    done: int = 0
    total: int | None = None
    unit: str = ""
    error: ErrorInfo | None = None
    detail: str = ""
    position: int = 0
    retry_at: float | None = None
    """When work that could not go on is tried again by itself. Not kept: a new server tries now."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in ENDED_STATES
