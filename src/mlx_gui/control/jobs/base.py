"""What a kind of job is, and what its work may use."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from mlx_gui.catalog.disk_room import DiskRoom
from mlx_gui.catalog.hub import Hub
from mlx_gui.config import Config
from mlx_gui.control.jobs.bandwidth import Bandwidth
from mlx_gui.control.workers.errands import run_errand
from mlx_gui.control.workers.process import WorkerSettings
from mlx_gui.core.ask import Ask
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.generation import Event
from mlx_gui.core.job import Job
from mlx_gui.core.model import Model
from mlx_gui.store.database import Store


class Report(Protocol):
    """Called on the event loop with stage, done and total, 0 where nobody knows how much it is.

    `detail` is what the kind says besides, as JSON; without it, what was said last holds.
    """

    def __call__(self, stage: str, done: int, total: int, *, detail: str | None = None) -> None: ...


class Resting(Exception):
    """The work cannot go on for `error`: the job is paused until somebody has done something.

    With `passes` that may pass by itself: the job waits for a while, and is tried again.
    """

    def __init__(self, error: MlxGuiError, *, passes: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.passes = passes


@dataclass(frozen=True, slots=True)
class JobTools:
    """What of the server the work of jobs may use, with the settings of now.

    `installed` has a model that came into a model folder be one of the list. `room` and `bandwidth`
    are shared by all downloads. `model` finds one as `Library.find` does, `events` asks it as
    `Dispatch.events` does, and `loaded_context` is for how many tokens it is in memory.
    """

    config: Callable[[], Config]
    worker_settings: Callable[[], WorkerSettings]
    installed: Callable[[str], Awaitable[None]]
    hub: Hub
    room: DiskRoom
    bandwidth: Bandwidth
    model: Callable[[str], Awaitable[Model]]
    events: Callable[[Model, Ask], AsyncGenerator[Event]]
    loaded_context: Callable[[str], int | None]
    store: Store


@dataclass(frozen=True, slots=True)
class JobContext:
    """What one run of a job has: the tools, and `report`, which says how far it is.

    `job` is what an earlier run has left of it.
    """

    tools: JobTools
    report: Report
    job: Job

    async def errand(
        self, errand: Literal["probe", "convert-gguf", "quantize"], arguments: Mapping[str, str]
    ) -> bytes:
        """What a child process finds, its progress being the job's. Raises as `run_errand`."""
        return await run_errand(errand, arguments, self.tools.worker_settings(), self.report)


class JobKind(Protocol):
    """One sort of work, as a frozen dataclass whose fields are its arguments.

    Those are kept as JSON, and the work is made of them anew for each run.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    """What its progress counts."""
    goes_on: ClassVar[bool]
    """Whether a later run goes on where an earlier one was, so that its progress still holds.

    Such work is done in a child without MLX, so that it runs in safe mode too.
    """

    @property
    def title(self) -> str:
        """What people read in a list of jobs."""
        ...

    @property
    def installs(self) -> str | None:
        """The id of the model that is there once the job is done; None for other work."""
        ...

    async def run(self, context: JobContext) -> None:
        """Do the work; returns when it is done, and raises why it cannot be, or Resting.

        A pause, a cancellation and the server's end arrive as CancelledError at the next `await`,
        so what runs in a thread goes there in small pieces. A later run begins with whatever this
        one has left, be it half of the work or nothing, also after a crash.
        """
        ...

    async def discard(self, context: JobContext) -> None:
        """Remove what unfinished runs have left; called when nobody wants the rest any more."""
        ...
