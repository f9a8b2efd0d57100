"""The server's and the machine's state as JSON."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import psutil

from mlx_gui.api.model_view import (
    memory_need,
    memory_returned,
    memory_use,
    model_error,
    utc_time,
)
from mlx_gui.control.machine.budget import Budget
from mlx_gui.control.machine.reading import MachineIdentity, MemoryReading, Pressure
from mlx_gui.control.residency.views import Left, ResidencySnapshot, ResidentView
from mlx_gui.control.updates import UpdateState
from mlx_gui.core.device import DeviceFacts
from mlx_gui.wire.models import MemoryUseBody
from mlx_gui.wire.status import (
    BudgetBound,
    BudgetStatus,
    ContainerStatus,
    DeviceStatus,
    DiskStatus,
    FolderStatus,
    LeftBody,
    LoadedModel,
    MachineStatus,
    ManagerStatus,
    MemorySegment,
    MemoryStatus,
    QueuedRequest,
    UnloadedModel,
    UpdateStatus,
    WaitingModel,
)

_WAITING = ("queued",)
_WITHOUT_WORKER = ("not_loaded", "failed")


def manager_status(snapshot: ResidencySnapshot, *, max_loaded_models: int) -> ManagerStatus:
    """Which models have a worker, which are waited for, and which others were asked for."""
    views = snapshot.models.values()
    residents = [view for view in views if view.state not in _WAITING + _WITHOUT_WORKER]
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
        waiting=[_waiting_model(view) for view in views if view.state in _WAITING],
        unloaded_models=[_unloaded_model(view) for view in views if view.state in _WITHOUT_WORKER],
    )


def memory_status(
    reading: MemoryReading,
    snapshot: ResidencySnapshot,
    *,
    pressure: Pressure,
    budget: Budget,
    worker_bytes: Mapping[str, int],
) -> MemoryStatus:
    """The machine's memory, with a segment for each model that holds some of it.

    `worker_bytes` tells of workers that have not measured themselves yet, because they load.
    """
    uses = {
        model_id: use
        for model_id, view in snapshot.models.items()
        if (use := memory_use(view) or _loading_use(view, worker_bytes)) is not None
    }
    used_bytes = sum(use.total_bytes for use in uses.values())
    return MemoryStatus(
        total_bytes=reading.total_bytes,
        available_bytes=reading.available_bytes,
        other_apps_bytes=max(reading.total_bytes - reading.available_bytes - used_bytes, 0),
        budget_bytes=budget.now_bytes,
        used_by_models_bytes=used_bytes,
        pressure=pressure,
        segments=[
            _segment(model_id, use, pinned=snapshot.models[model_id].pinned)
            for model_id, use in uses.items()
        ],
        machine_bytes=reading.machine_bytes,
        free_bytes=max(min(budget.now_bytes - used_bytes, reading.available_bytes), 0),
        budget=_budget_status(budget),
        container=_container_status(reading),
    )


def machine_status(identity: MachineIdentity) -> MachineStatus:
    """What machine this is."""
    return MachineStatus(
        model=identity.model, chip=identity.chip, cores=identity.cores, system=identity.system
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


def update_status(state: UpdateState) -> UpdateStatus:
    """What is known of newer versions."""
    return UpdateStatus(
        asked_at=utc_time(state.asked_at),
        newest=state.newest,
        newer=state.newer,
        how=state.how,
        problem=state.problem,
    )


def disk_status(folder: str) -> DiskStatus:
    """The disk that holds `folder`. May block on a sleeping disk."""
    usage = psutil.disk_usage(folder)
    return DiskStatus(path=folder, free_bytes=usage.free, total_bytes=usage.total)


def folder_statuses(data_dir: Path, model_dirs: Iterable[Path]) -> list[FolderStatus]:
    """The data directory and the model folders. May block on a sleeping disk."""
    models = [_folder_status(folder, "models") for folder in model_dirs]
    return [_folder_status(data_dir, "data"), *models]


def _folder_status(folder: Path, use: Literal["data", "models"]) -> FolderStatus:
    try:
        there = folder.exists()
        place = next(each for each in (folder, *folder.parents) if each.exists())
        usage = psutil.disk_usage(str(place))
    except OSError:
        # Such as a disk that was pulled out, or a folder that we may not enter.
        return FolderStatus(
            path=str(folder), use=use, exists=False, free_bytes=None, total_bytes=None
        )
    return FolderStatus(
        path=str(folder), use=use, exists=there, free_bytes=usage.free, total_bytes=usage.total
    )


def _loading_use(view: ResidentView, worker_bytes: Mapping[str, int]) -> MemoryUseBody | None:
    """What a worker holds that has not measured itself; up to what was planned it is weights."""
    total_bytes = worker_bytes.get(view.model_id, 0)
    if not total_bytes or view.pid is None:
        return None
    weights_bytes = min(total_bytes, view.need.weights_bytes) if view.need else 0
    return MemoryUseBody(
        weights_bytes=weights_bytes,
        kv_bytes=0,
        prefix_bytes=0,
        other_bytes=total_bytes - weights_bytes,
        total_bytes=total_bytes,
    )


def _segment(model_id: str, use: MemoryUseBody, *, pinned: bool) -> MemorySegment:
    return MemorySegment(
        model_id=model_id,
        weights_bytes=use.weights_bytes,
        kv_bytes=use.kv_bytes,
        prefix_bytes=use.prefix_bytes,
        other_bytes=use.other_bytes,
        pinned=pinned,
    )


def _budget_status(budget: Budget) -> BudgetStatus:
    return BudgetStatus(
        static_bytes=budget.static_bytes,
        now_bytes=budget.now_bytes,
        reason=budget.binding,
        reserve_bytes=budget.reserve_bytes,
        bounds=[
            BudgetBound(name=bound.name, limit_bytes=bound.limit_bytes, reason=bound.reason)
            for bound in budget.bounds
        ],
    )


def _container_status(reading: MemoryReading) -> ContainerStatus | None:
    container = reading.container
    if container is None:
        return None
    return ContainerStatus(
        limit_bytes=container.limit_bytes,
        room_bytes=container.room_bytes,
        swap_bytes=container.swap_bytes,
    )


def _loaded_model(view: ResidentView) -> LoadedModel:
    spec = view.spec
    return LoadedModel(
        id=view.model_id,
        state=view.state,
        pid=view.pid,
        memory=memory_use(view),
        slots=spec.options.slots if spec else 0,
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


def _waiting_model(view: ResidentView) -> WaitingModel:
    return WaitingModel(
        **_unloaded_model(view).model_dump(), queued=view.queued, waits_because=view.waits_because
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
        returned=memory_returned(view.returned),
        left=None if view.left is None else _left(view.left),
    )


def _left(left: Left) -> LeftBody:
    return LeftBody(at=utc_time(left.at), action=left.action, reason=left.reason, cause=left.cause)
