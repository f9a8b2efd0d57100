"""The server's and the machine's state as JSON."""

import psutil

from mlx_gui.api.model_view import memory_need, memory_use, model_error, utc_time
from mlx_gui.control.entry import ResidencySnapshot, ResidentView
from mlx_gui.control.memory import MemoryReading
from mlx_gui.core.device import DeviceFacts
from mlx_gui.wire.status import (
    DeviceStatus,
    DiskStatus,
    LoadedModel,
    ManagerStatus,
    MemorySegment,
    MemoryStatus,
    QueuedRequest,
    UnloadedModel,
)

_WITHOUT_WORKER = ("not_loaded", "failed")


def manager_status(snapshot: ResidencySnapshot, *, max_loaded_models: int) -> ManagerStatus:
    """Which models are resident or about to be, and who waits for them."""
    residents = [view for view in snapshot.models.values() if view.state not in _WITHOUT_WORKER]
    return ManagerStatus(
        loaded_models=[_loaded_model(view) for view in residents],
        queue=[
            QueuedRequest(
                request_id=waiting.request_id,
                model=waiting.model_id,
                position=waiting.position,
                waiting_ms=round(waiting.waiting_s * 1000, 1),
            )
            for waiting in snapshot.queue
        ],
        max_loaded_models=max_loaded_models,
        active_requests=sum(view.active for view in residents),
        queued_requests=len(snapshot.queue),
        unloaded_models=[
            _unloaded_model(view)
            for view in snapshot.models.values()
            if view.state in _WITHOUT_WORKER
        ],
    )


def memory_status(
    reading: MemoryReading, snapshot: ResidencySnapshot, *, budget_bytes: int
) -> MemoryStatus:
    """The machine's memory, with a segment for each model that has measured itself."""
    uses = {view.model_id: memory_use(view) for view in snapshot.models.values()}
    segments = [
        MemorySegment(
            model_id=model_id,
            weights_bytes=use.weights_bytes,
            kv_bytes=use.kv_bytes,
            prefix_bytes=use.prefix_bytes,
            other_bytes=use.other_bytes,
        )
        for model_id, use in uses.items()
        if use is not None
    ]
    used_bytes = sum(use.total_bytes for use in uses.values() if use is not None)
    return MemoryStatus(
        total_bytes=reading.total_bytes,
        available_bytes=reading.available_bytes,
        other_apps_bytes=max(reading.total_bytes - reading.available_bytes - used_bytes, 0),
        budget_bytes=budget_bytes,
        used_by_models_bytes=used_bytes,
        pressure=reading.pressure,
        segments=segments,
    )


def device_status(facts: DeviceFacts) -> DeviceStatus:
    """The device that MLX computes on."""
    return DeviceStatus(
        backend=facts.backend,
        name=facts.name,
        memory_bytes=facts.memory_bytes,
        working_set_bytes=facts.working_set_bytes,
        blas=facts.blas.library if facts.blas else None,
    )


def disk_status(folder: str) -> DiskStatus:
    """The disk that holds `folder`. May block on a sleeping disk."""
    usage = psutil.disk_usage(folder)
    return DiskStatus(path=folder, free_bytes=usage.free, total_bytes=usage.total)


def _loaded_model(view: ResidentView) -> LoadedModel:
    spec = view.spec
    return LoadedModel(
        id=view.model_id,
        state=view.state,
        pid=view.pid,
        memory=memory_use(view),
        slots=spec.slots if spec else 0,
        active=view.active,
        queued=view.queued,
        loads=view.loads,
        last_used_at=utc_time(view.last_used_at),
        expires_at=utc_time(view.expires_at),
        weight_form=spec.weight_form if spec else None,
        context=spec.context if spec else None,
        serial_because=view.serial_because,
        need=memory_need(view.need) if view.need else None,
        pinned=view.pinned,
        priority=view.priority,
        keep_alive_s=view.keep_alive_s,
        evictions=view.evictions,
        evicted_because=view.evicted_because,
        error=model_error(view.error),
    )


def _unloaded_model(view: ResidentView) -> UnloadedModel:
    return UnloadedModel(
        id=view.model_id,
        state=view.state,
        pinned=view.pinned,
        priority=view.priority,
        loads=view.loads,
        evictions=view.evictions,
        evicted_because=view.evicted_because,
        last_used_at=utc_time(view.last_used_at),
        error=model_error(view.error),
    )
