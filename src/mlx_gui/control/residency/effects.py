"""What the run loop is told: the limits it keeps to, and all that it does and asks."""

from collections.abc import Callable
from dataclasses import dataclass

from mlx_gui.config import Config
from mlx_gui.control.machine.budget import Budget
from mlx_gui.control.plans.wish import Planner
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.core.model import LoadSpec


@dataclass(frozen=True, slots=True)
class ResidencySettings:
    """The limits that are held to; times in seconds, keep-alive -1 is for ever.

    An idle worker that has answered `recycle_requests` is replaced; 0 is no bound.
    """

    max_models: int
    max_queue: int
    queue_timeout_s: float
    load_timeout_s: float
    keep_alive_s: int
    client_stall_s: float
    turn_s: float = 20.0
    recycle_requests: int = 0
    back_off_s: float = 1.0
    """After the second failure in a row; twice as long after each further one."""

    @classmethod
    def of(cls, config: Config) -> "ResidencySettings":
        """What the settings of the server say."""
        return cls(
            max_models=config.max_loaded_models,
            max_queue=config.max_queue,
            queue_timeout_s=config.queue_timeout_s,
            load_timeout_s=config.load_timeout_s,
            keep_alive_s=config.keep_alive_s,
            client_stall_s=config.client_stall_s,
            turn_s=config.time_slice_s,
            recycle_requests=config.recycle_requests,
        )


@dataclass(frozen=True, slots=True)
class Effects:
    """All that the run loop does to the world, and asks of it.

    `budget` is what models may use, now and at the best of times. `note_ready` is told of each
    worker that has loaded, `note_missing` when one found the folder of its model gone.
    `allow_spare` is told whether there is room for a worker in reserve.
    """

    planner: Planner
    budget: Callable[[], Budget]
    start_worker: Callable[[LoadSpec], WorkerProcess]
    note_ready: Callable[[WorkerProcess], None]
    note_missing: Callable[[], None]
    allow_spare: Callable[[bool], None]
