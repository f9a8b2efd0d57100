"""The state of this very moment, as JSON models."""

from mlx_gui.api.manage.status.translate import manager_status, memory_status
from mlx_gui.api.services import Services
from mlx_gui.control.memory import process_private_bytes
from mlx_gui.wire.safe_mode import SafeModeBody
from mlx_gui.wire.status import ManagerStatus, MemoryStatus, SpareBody


def present_memory(services: Services) -> MemoryStatus:
    """The machine's memory as last sampled."""
    sampler, snapshot = services.sampler, services.run_loop.snapshot()
    held_bytes = sum(process_private_bytes(view.pid) for view in snapshot.models.values())
    return memory_status(
        sampler.latest,
        snapshot,
        pressure=sampler.pressure,
        budget=services.budget.of(sampler.latest, held_bytes),
        worker_bytes=sampler.worker_bytes,
    )


def present_manager(services: Services) -> ManagerStatus:
    """Residency and queue."""
    safe_mode, spare = services.safe_mode, services.spare
    status = manager_status(
        services.run_loop.snapshot(), max_loaded_models=services.config.max_loaded_models
    )
    return status.model_copy(
        update={
            "safe_mode": SafeModeBody(active=safe_mode.active, reason=safe_mode.reason),
            "spare": spare.pid
            and SpareBody(pid=spare.pid, ready=spare.warm, held_bytes=spare.held_bytes()),
        }
    )
