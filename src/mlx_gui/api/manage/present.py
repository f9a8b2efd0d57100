"""The state of this very moment, as JSON models."""

from mlx_gui.api.manage.status.translate import manager_status, memory_status
from mlx_gui.api.model_view import model_object
from mlx_gui.api.services import Services
from mlx_gui.control.memory import process_private_bytes
from mlx_gui.core.model import Model
from mlx_gui.wire.models import ModelObject
from mlx_gui.wire.status import ManagerStatus, MemoryStatus


def present_model(services: Services, model: Model) -> ModelObject:
    """`model` with its residency."""
    return model_object(model, services.run_loop.snapshot().models.get(model.id))


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
    return manager_status(
        services.run_loop.snapshot(), max_loaded_models=services.config.max_loaded_models
    )
