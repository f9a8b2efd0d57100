"""What there is to tell of what happens: pure functions from that to news."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlx_gui.control.machine.reading import Pressure
from mlx_gui.control.residency.departures import Departure
from mlx_gui.core.job import Job, JobState
from mlx_gui.core.units import format_bytes

NewsKind = Literal[
    "evicted",
    "model_failed",
    "job_failed",
    "job_paused",
    "disk_low",
    "memory_critical",
    "safe_mode",
    "newer_version",
]
NewsLevel = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class News:
    """Something that somebody wants to know. `message` says all of it in a sentence.

    `subject` is what it is about: a model, the title of a job, a folder; empty for the server.
    `reason` and `hint` are the words of whoever knows why. `job` is the id of a job.
    """

    kind: NewsKind
    level: NewsLevel
    message: str
    subject: str = ""
    reason: str = ""
    hint: str = ""
    job: str | None = None
    departures: tuple[Departure, ...] = ()

    @property
    def same(self) -> tuple[object, ...]:
        """Equal for news that say the same of the same."""
        gone = tuple(each.model_id for each in self.departures)
        return (self.kind, self.subject, self.job, gone)


def eviction(departures: Sequence[Departure]) -> News:
    """That these have left, all for the sake of one model, or each for itself."""
    first = departures[0]
    gone = ", ".join(each.model_id for each in departures)
    have = "was" if len(departures) == 1 else "were"
    made_room = f" to make room for {first.cause}" if first.cause else ""
    asked = f", which {first.client} asked for" if first.cause and first.client else ""
    return News(
        "evicted",
        "info",
        f"{gone} {have} unloaded{made_room}{asked}: {first.reason}.",
        subject=first.cause or "",
        reason=first.reason,
        departures=tuple(departures),
    )


def model_failure(model_id: str, reason: str) -> News:
    """That a model failed while it loaded, or later."""
    return News(
        "model_failed", "error", f"{model_id} failed: {reason}", subject=model_id, reason=reason
    )


def job_news(before: JobState | None, job: Job) -> News | None:
    """What `job` has come to since it was in that state; None for what needs no word.

    One that nobody has seen before is no news, nor is one that somebody has paused.
    """
    if before is None or before == job.state or job.error is None:
        return None
    if job.state not in ("failed", "paused"):
        return None
    failed = job.state == "failed"
    return News(
        "job_failed" if failed else "job_paused",
        "error" if failed else "warning",
        f"{job.title} {'failed' if failed else 'has paused'}: {job.error.message}",
        subject=job.title,
        reason=job.error.message,
        hint=job.error.hint,
        job=job.id,
    )


def pressure_news(level: Pressure) -> News | None:
    """What there is to tell of the memory of the system; None while it is not critical."""
    if level != "critical":
        return None
    return News(
        "memory_critical",
        "warning",
        "The memory of this machine is nearly full: idle models are unloaded, and none is loaded.",
        hint="Unload a model, or close other programs.",
    )


def low_disk(folder: str, *, free_bytes: int, reserve_bytes: int) -> News:
    """That the disk of `folder` has less room than is to stay free."""
    free, reserve = format_bytes(free_bytes), format_bytes(reserve_bytes)
    return News(
        "disk_low",
        "warning",
        f"The disk of {folder} has {free} left, less than the {reserve} that downloads leave free.",
        subject=folder,
        reason=f"{free} are free, {reserve} are to stay free",
        hint="Remove a model, or empty the trash.",
    )


def safe_mode_news(reason: str) -> News:
    """That the server loads nothing by itself."""
    return News("safe_mode", "warning", reason, hint="Leave safe mode once the cause is mended.")


def newer_version(version: str, *, installed: str, how: str) -> News:
    """That the package index has a newer mlx-gui than this one."""
    return News(
        "newer_version",
        "info",
        f"mlx-gui {version} is there; this is {installed}.",
        subject=version,
        hint=f"It comes by: {how}",
    )
