"""The state of this very moment, as JSON models."""

from mlx_gui.api.manage.status.translate import manager_status, memory_status
from mlx_gui.api.model_view import model_object
from mlx_gui.api.services import Services
from mlx_gui.control.memory import budget_bytes
from mlx_gui.core.model import Model
from mlx_gui.wire.models import ModelObject
from mlx_gui.wire.status import ManagerStatus, MemoryStatus


def present_model(services: Services, model: Model) -> ModelObject:
    """`model` with its residency."""
    return model_object(model, services.run_loop.snapshot().models.get(model.id))


def present_memory(services: Services) -> MemoryStatus:
    """The machine's memory as last sampled."""
    reading, config = services.sampler.latest, services.config
    return memory_status(
        reading,
        services.run_loop.snapshot(),
        budget_bytes=budget_bytes(
            reading.total_bytes, services.device.facts, config.memory_limit_bytes
        ),
    )


def present_manager(services: Services) -> ManagerStatus:
    """Residency and queue."""
    return manager_status(
        services.run_loop.snapshot(), max_loaded_models=services.config.max_loaded_models
    )
